"""What an operator is told when something is away or wrong: brought about, and held against the docs.

`docs/operating.md` shows the table that comes of it. WRITE_DOCS=1 writes it anew.
"""

import asyncio
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

import pytest

from bridge.devstack.child import Child, Command
from bridge.devstack.stack import says
from tests.support import databases, pages
from tests.support.cli import ntbridge
from tests.support.daemon import Bridge
from tests.support.outages import at
from tests.support.proxy import Proxy
from tests.support.servers import ROOT
from tests.support.waiting import eventually, line

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

DOCUMENT = ROOT / "docs" / "operating.md"
_SECTION = re.compile(r"(<!-- failures -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_AT_A_TIME = 3


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


Case = Callable[[Bridge], Awaitable[list[Row]]]


async def test_each_failure_tells_the_operator_what_to_do(
    bridge: Bridge, migrated_template: str
) -> None:
    turn = asyncio.Semaphore(_AT_A_TIME)

    async def made(number: int, case: Case) -> list[Row]:
        server = bridge.addresses.database_url
        async with turn, databases.database(server, template=migrated_template) as url:
            folder = bridge.folder / str(number)
            folder.mkdir()
            prefix = f"{bridge.prefix}-{number}"
            own = replace(bridge, database_url=url, folder=folder, prefix=prefix)
            await own.set_up()
            return await case(own)

    found = await asyncio.gather(*(made(*each) for each in enumerate(CASES)))
    rows = [row for each in found for row in each]
    rows.sort(key=lambda row: ORDER.index(row.case))
    assert [row.case for row in rows] == ORDER
    head = ["| what | `/readyz` | says to do | log | the daemon |", "|---|---|---|---|---|"]
    table = "\n".join([*head, *(row.text() for row in rows)]) + "\n"
    document = DOCUMENT.read_text()
    written = _SECTION.sub(lambda found: f"{found[1]}{table}{found[3]}", document)
    if os.environ.get("WRITE_DOCS"):
        DOCUMENT.write_text(written)
    assert document == written, table


# Away or wrong when the daemon starts; it waits, and says for what.


async def nats_away(bridge: Bridge) -> list[Row]:
    async with away(bridge.addresses.nats_url) as (proxy, url):
        return await waits(
            at(bridge, nats_url=url),
            "NATS is away at the start",
            "nats",
            "nats.unreachable",
            proxy,
        )


async def temporal_away(bridge: Bridge) -> list[Row]:
    async with away(bridge.addresses.temporal_address) as (proxy, address):
        return await waits(
            at(bridge, temporal_address=address),
            "Temporal is away at the start",
            "temporal",
            "health.not_ready",
            proxy,
        )


async def postgres_away(bridge: Bridge) -> list[Row]:
    async with away(bridge.database_url) as (proxy, url):
        return await waits(
            replace(bridge, database_url=url),
            "Postgres is away at the start",
            "postgres",
            "daemon.waits_for_postgres",
            proxy,
        )


async def stream_missing(bridge: Bridge) -> list[Row]:
    elsewhere = replace(bridge, prefix=f"{bridge.prefix}x")
    return await waits(
        elsewhere, "a stream is missing", "source EVENTS/ntbridge", "intake.source_missing"
    )


async def namespace_missing(bridge: Bridge) -> list[Row]:
    return await waits(
        bridge,
        "Temporal's namespace is missing",
        "temporal",
        "health.not_ready",
        TEMPORAL_NAMESPACE="nowhere",
    )


# Wrong when the daemon starts, and waiting would not help: it ends.


async def password_wrong(bridge: Bridge) -> list[Row]:
    wrong = databases.with_password(bridge.database_url, "hunter2")
    return await ends(replace(bridge, database_url=wrong), "Postgres refuses the password")


async def schema_missing(bridge: Bridge) -> list[Row]:
    async with databases.database(bridge.addresses.database_url) as url:
        return await ends(replace(bridge, database_url=url), "the schema is missing or too old")


async def routes_wrong(bridge: Bridge) -> list[Row]:
    file = bridge.folder / "wrong.yaml"
    file.write_text("routes:\n  - name: x\n    form: events.x\n")
    return await ends(
        bridge, "the routes file is wrong at the start", NTBRIDGE_ROUTES=str(file)
    )


async def port_taken(bridge: Bridge) -> list[Row]:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = str(server.sockets[0].getsockname()[1])
    try:
        return await ends(bridge, "the port of the pages is taken", NTBRIDGE_HTTP__PORT=port)
    finally:
        server.close()


ORDER = [
    "NATS is away at the start",
    "Temporal is away at the start",
    "Postgres is away at the start",
    "NATS goes away",
    "Temporal goes away",
    "Postgres goes away",
    "a stream is missing",
    "Temporal's namespace is missing",
    "Postgres refuses the password",
    "the schema is missing or too old",
    "the routes file is wrong at the start",
    "the routes file becomes wrong",
    "the port of the pages is taken",
]


async def while_it_runs(bridge: Bridge) -> list[Row]:
    """One daemon, from which one server after another is taken away and given back."""
    async with AsyncExitStack() as stack:
        servers = bridge.addresses
        nats = await stack.enter_async_context(Proxy.to(servers.nats_url))
        temporal = await stack.enter_async_context(Proxy.to(servers.temporal_address))
        postgres = await stack.enter_async_context(Proxy.to(bridge.database_url))
        routes = bridge.folder / "changing.yaml"
        routes.write_text(bridge.routes_file.read_text())
        moved = replace(
            at(
                bridge,
                nats_url=nats.through(servers.nats_url),
                temporal_address=temporal.through(servers.temporal_address),
            ),
            database_url=postgres.through(bridge.database_url),
        )
        daemon = daemon_of(moved, "running", NTBRIDGE_ROUTES=str(routes))
        await stack.enter_async_context(started(daemon))
        url = await pages.url_of(daemon.command.log)
        rows = []
        for case, check, event, proxy in (
            ("NATS goes away", "nats", "nats.disconnected", nats),
            ("Temporal goes away", "temporal", "health.not_ready", temporal),
            ("Postgres goes away", "postgres", "health.not_ready", postgres),
        ):
            await ready(url)
            start = daemon.command.log.stat().st_size
            await proxy.refuse()
            shown = await not_ready(url, check)
            log = await logged(daemon, event, start)
            await proxy.accept()
            await ready(url)
            assert daemon.running
            rows.append(row(case, shown, check, log, "goes on, and recovers by itself"))
        start = daemon.command.log.stat().st_size
        routes.write_text("routes:\n  - name: x\n    form: events.x\n")

        async def kept() -> pages.Shown | None:
            shown = await pages.get(url, "/readyz")
            return shown if shown.check("routes")["state"] == "warning" else None

        shown = await eventually(kept)
        assert shown.status == 200, shown.body
        log = await logged(daemon, "routes.kept", start)
        case = "the routes file becomes wrong"
        return [*rows, row(case, shown, "routes", log, "goes on with the old routes")]


CASES: list[Case] = [
    while_it_runs,
    nats_away,
    temporal_away,
    postgres_away,
    stream_missing,
    namespace_missing,
    password_wrong,
    schema_missing,
    routes_wrong,
    port_taken,
]


async def waits(
    bridge: Bridge, case: str, check: str, event: str, proxy: Proxy | None = None, **env: str
) -> list[Row]:
    """A daemon that waits for what is away or missing."""
    daemon = daemon_of(bridge, re.sub(r"\W", "-", case), **env)
    async with started(daemon):
        url = await pages.url_of(daemon.command.log)
        shown = await not_ready(url, check)
        assert (await pages.get(url, "/livez")).status == 200
        log = await logged(daemon, event)
        if proxy is None:
            return [row(case, shown, check, log, "waits")]
        await proxy.accept()
        await ready(url)
        return [row(case, shown, check, log, "waits, and goes on by itself")]


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
            start_within=60,
            stop_within=30,
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
    assert f":{urlsplit(daemon.command.env['DATABASE_URL']).password}@" not in daemon.output()


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


async def not_ready(url: str, check: str) -> pages.Shown:
    async def look() -> pages.Shown | None:
        shown = await pages.get(url, "/readyz")
        return shown if shown.status == 503 and check in shown.failed else None

    return await eventually(look, within=30, what=f"{check} failed")


async def logged(daemon: Child, event: str, start: int = 0) -> str:
    """The event of the line that says so, and its level."""
    found = json.loads(
        await line(daemon.command.log, f'"event": "{event}"', within=30, start=start)
    )
    assert found["level"] in ("warning", "error")
    return f"`{found['event']}`"
