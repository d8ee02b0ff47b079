"""While nothing flows, `/readyz` says so, with the servers' words; the doctor finds the same."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import nats
import pytest
from nats.js import JetStreamContext
from nats.js.api import ConsumerConfig, StreamConfig

from bridge.pauses import Pauses
from eventstore.database import Database
from tests.support import checker, pages, publishing
from tests.support.cli import ntbridge
from tests.support.daemon import Bridge
from tests.support.databases import execute, name_of
from tests.support.failures import daemon_of, ready, started
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

Finding = dict[str, Any]
FULL_DISK = """
    CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'could not extend file "base/1/2": No space left on device'
            USING ERRCODE = 'disk_full', HINT = 'Check free disk space.';
    END
    $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON events EXECUTE FUNCTION full_disk();
"""
"""What a server answers whose disk is full."""


@dataclass(frozen=True)
class Running:
    """A daemon, and what its tests take away from it."""

    bridge: Bridge
    url: str
    js: JetStreamContext

    @property
    def results(self) -> str:
        return f"{self.bridge.prefix}-RESULTS"

    @property
    def events(self) -> str:
        return f"{self.bridge.prefix}-EVENTS"


@asynccontextmanager
async def running(bridge: Bridge, **env: str) -> AsyncIterator[Running]:
    daemon = daemon_of(bridge, "daemon", **env)
    client = await nats.connect(bridge.addresses.nats_url)
    try:
        async with started(daemon):
            yield Running(bridge, await pages.url_of(daemon.command.log), client.jetstream())
            assert daemon.running
    finally:
        await client.close()


async def shown(at: Running, check: str, state: str, says: str = "") -> Finding:
    """Wait until a check is in a state and says something, and return it."""

    async def look() -> Finding | None:
        page = await pages.get(at.url, "/readyz")
        checks: list[Finding] = page.json["checks"]
        finding = next((each for each in checks if each["check"] == check), None)
        if finding is None or finding["state"] != state or says not in finding["detail"]:
            return None
        assert page.status == (503 if state == "failed" else 200), page.body
        return finding

    return await eventually(look, within=60, what=f"{check} {state}")


def log_of(at: Running) -> str:
    return (at.bridge.folder / "daemon.log").read_text()


async def doctored(at: Running, check: str, **env: str) -> Finding:
    done = await ntbridge(
        "doctor",
        *("-o", "json"),
        cwd=at.bridge.folder,
        env={**at.bridge.environment, **env},
    )
    return next(row for row in json.loads(done.out) if row["check"] == check)


async def measured(at: Running, name: str, **labels: str) -> float:
    page = await pages.get(at.url, "/metrics")
    want = [f'{key}="{value}"' for key, value in labels.items()]
    found = [
        line
        for line in page.body.splitlines()
        if line.startswith(f"{name}{{") and all(each in line for each in want)
    ]
    assert len(found) == 1, (name, labels, page.body)
    return float(found[0].rpartition(" ")[2])


async def limited(at: Running, **limits: Any) -> None:
    """Change the limits of the stream of results."""
    config = (await at.js.stream_info(at.results)).config
    await at.js.update_stream(config.evolve(**limits))


async def fill_results(at: Running) -> None:
    """Leave no room for one more message."""
    config = (await at.js.stream_info(at.results)).config
    (subject,) = config.subjects or []
    await at.js.publish(subject.replace(">", "x.y"), b"one")
    await limited(at, max_msgs=1)


async def paused_route(bridge: Bridge, name: str) -> None:
    database = await Database.connect(bridge.database_url, size=1)
    try:
        await Pauses(database).pause("route", name, who="ada", via="a test", reason="")
    finally:
        await database.close()


async def drop_notices(at: Running) -> None:
    await at.js.delete_stream(f"{at.bridge.prefix}-DEADLETTERS")


async def seal_events(at: Running) -> None:
    config = (await at.js.stream_info(at.events)).config
    await at.js.update_stream(config.evolve(sealed=True))


CASES: dict[str, tuple[Callable[[Running], Awaitable[None]], str, str, str]] = {
    "stream {p}-DEADLETTERS": (drop_notices, "warning", "missing", "ntbridge migrate"),
    "stream {p}-RESULTS": (fill_results, "failed", "it is full: 1 of 1 messages", "limits"),
    "stream {p}-EVENTS": (seal_events, "failed", "it is sealed", "limits"),
}


async def test_streams_that_take_nothing_are_found_by_daemon_and_doctor(
    bridge: Bridge,
) -> None:
    async with running(bridge) as at:
        await ready(at.url)
        assert "health.not_ready" not in log_of(at), "a start on healthy servers alarms nobody"
        # Nobody serves the routes' task queue: work goes on, its runs wait.
        queue = f"task queue {bridge.task_queue}"
        warned = await shown(at, queue, "warning")
        assert "no worker polls it" in warned["detail"]
        assert (
            await measured(at, "ntbridge_task_queue_pollers", task_queue=bridge.task_queue) == 0
        )
        assert await doctored(at, queue) == warned
        assert await measured(at, "ntbridge_pauses", kind="route") == 0
        await paused_route(bridge, "any")
        assert "paused" in (await shown(at, "route any", "warning"))["detail"]
        assert await measured(at, "ntbridge_pauses", kind="route") == 1
        for name, (break_it, state, says, to_do) in CASES.items():
            check = name.format(p=bridge.prefix)
            assert await measured(at, "ntbridge_check_state", check=check) == 0
            await break_it(at)
            finding = await shown(at, check, state, says)
            assert to_do in finding["to do"]
            expected = {"warning": 1, "failed": 2}[state]
            assert await measured(at, "ntbridge_check_state", check=check) == expected
            assert await doctored(at, check) == finding


async def test_a_source_that_cannot_be_attached_is_not_ready(bridge: Bridge) -> None:
    client = await nats.connect(bridge.addresses.nats_url)
    stream = f"{bridge.prefix}-GUEST"
    try:
        js = client.jetstream()
        await js.add_stream(
            StreamConfig(name=stream, subjects=[f"{bridge.prefix}.guest.>"], max_consumers=1)
        )
        await js.add_consumer(stream, ConsumerConfig(durable_name="foreign"))
        source = f"{stream}/ntbridge"
        env = {"NTBRIDGE_INTAKE__SOURCES": json.dumps([{"stream": stream}])}
        async with running(bridge, **env) as at:
            says = "maximum consumers limit reached"
            finding = await shown(at, f"source {source}", "failed", says)
            assert "nats consumer info" in finding["to do"]
            outside = await doctored(at, f"source {source}", **env)
            assert outside["state"] == "failed"
            assert "is not attached to the stream" in outside["detail"]
            assert await measured(at, "ntbridge_source_attached", source=source) == 0
            await js.delete_consumer(stream, "foreign")
            await ready(at.url)
            assert await measured(at, "ntbridge_source_attached", source=source) == 1
    finally:
        await client.close()


async def test_a_store_that_takes_no_writes_is_not_ready(bridge: Bridge) -> None:
    server, database = bridge.addresses.database_url, name_of(bridge.database_url)
    ends = (
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{database}'"
    )
    async with running(bridge) as at:
        await ready(at.url)
        await execute(
            server, f"ALTER DATABASE {database} SET default_transaction_read_only = on"
        )
        await execute(server, ends)
        finding = await shown(at, "postgres", "failed", "accepts no writes")
        assert await measured(at, "ntbridge_check_state", check="postgres") == 2
        assert "promote it" in finding["to do"]
        outside = await doctored(at, "postgres")
        assert outside == finding
        await execute(server, f"ALTER DATABASE {database} RESET default_transaction_read_only")
        await execute(server, ends)
        await ready(at.url)
        # Its disk is full: what arrives is kept by the stream until there is room again.
        await execute(bridge.database_url, FULL_DISK)
        client = await nats.connect(bridge.addresses.nats_url)
        await publishing.structured(
            client, bridge, publishing.event("io.quantum-suite.odd.one.v1")
        )
        await client.close()
        finding = await shown(at, "source EVENTS/ntbridge", "failed", "No space left on device")
        assert "Check free disk space" in finding["detail"]
        await execute(bridge.database_url, "DROP TRIGGER full_disk ON events")
        await ready(at.url)
        await checker.settled(bridge, 1)
        assert not await checker.dead_letters(bridge)
