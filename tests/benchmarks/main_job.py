"""The main job, event to result event, against the bare Temporal client running the same workflow.

`main-job.events`: events that are published, run and relayed, a second. Ours ends with the last
result event on NATS, the reference with the last run's result; both run one workflow with one
activity, which appends the result event, on the same worker. Ours does more: three commits and
two messages an event.

`main-job.start`: from a publish's acknowledgement to the start's arrival at Temporal, in
milliseconds, one event at a time. Both clocks are this machine's: the publisher's, read when the
acknowledgement is there, and the start time that the server writes into the run's history. The
reference is the bare client's call, one after a pause as well: from before it to the same start time. A
ratio of 3 means that an event is at Temporal after three times as long as a caller's own start would be.

`main-job.start-at-50.p50` and `.p99`: the same way under a steady stream of 50 events a second, which
is near half of what the server bears; the reference is the target.
"""

import asyncio
import functools
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import nats
from nats.js import JetStreamContext
from temporalio.client import Client, WorkflowHandle

from eventstore.events import uid
from tests.benchmarks.harness import Context, Row, against_targets, alternate
from tests.support import publishing
from tests.support.checker import connected
from tests.support.daemon import Bridge, running, set_up
from tests.support.waiting import eventually

NAME = "main-job"

EVENTS = 60
STARTS = 30
IN_FLIGHT = 8
PAUSE = 0.05
RATE = 50
SECONDS = 10
ROUNDS = 5
TARGETS = {"p50": 8.0, "p99": 40.0}

_WITHIN = 180
_SETTLED = "select settled_at from dispatches where uid = $1"

Handle = WorkflowHandle[Any, Any]


async def rows(context: Context) -> AsyncIterator[Row]:
    """Both measurements, each over a daemon of its own."""
    async with bridge_on(context) as bridge, running(bridge.light_worker(), bridge.daemon()):
        temporal, nats_client = (
            await connected(bridge),
            await nats.connect(bridge.settings.nats.url),
        )
        js = nats_client.jetstream()
        found = await alternate(
            lambda: events_by_bridge(bridge, js), lambda: events_by_client(bridge, temporal)
        )
        note = f"{EVENTS} events, a run with one activity each"
        yield found.row("main-job.events", unit="events/s", note=note)
        await nats_client.close()
    # No worker here: nothing but the start is to be measured.
    async with bridge_on(context) as bridge, running(bridge.daemon()):
        temporal, nats_client = (
            await connected(bridge),
            await nats.connect(bridge.settings.nats.url),
        )
        js = nats_client.jetstream()
        database = await asyncpg.connect(bridge.database_url)
        found = await alternate(
            lambda: start_by_bridge(bridge, js, temporal, database),
            lambda: start_by_client(bridge, temporal),
        )
        note = f"medians of {STARTS}, PubAck or call to start time; lower is better"
        yield found.row("main-job.start", unit="ms", note=note)
        rounds = [await ways_at_a_rate(bridge, js, temporal, database) for _ in range(ROUNDS)]
        note = f"PubAck to start time at {RATE} events/s"
        for row in against_targets(f"main-job.start-at-{RATE}", rounds, TARGETS, note=note):
            yield row
        await database.close()
        await nats_client.close()


@asynccontextmanager
async def bridge_on(context: Context) -> AsyncIterator[Bridge]:
    """A bridge with a database and streams of its own."""
    with tempfile.TemporaryDirectory() as folder:
        async with context.migrated_database() as url:
            name = f"bench{uuid.uuid4().hex[:8]}"
            yield await set_up(Bridge, context.addresses, url, name, name, Path(folder))


async def events_by_bridge(bridge: Bridge, js: JetStreamContext) -> float:
    """Publish events; return how many a second came back as result events."""
    stream = f"{bridge.prefix}-RESULTS"
    expected = (await js.stream_info(stream)).state.last_seq + EVENTS
    events = publishing.light_events(EVENTS)
    began = time.perf_counter()
    await asyncio.gather(*(publishing.structured_on(js, bridge, event) for event in events))

    async def all_back() -> bool:
        return (await js.stream_info(stream)).state.last_seq >= expected

    await eventually(all_back, within=_WITHIN)
    return EVENTS / (time.perf_counter() - began)


async def events_by_client(bridge: Bridge, temporal: Client) -> float:
    """Start the same workflow; return how many a second came to their end."""
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def start(number: int) -> Handle:
        async with gate:
            return await started(bridge, temporal, number)

    began = time.perf_counter()
    handles = await asyncio.gather(*(start(number) for number in range(EVENTS)))
    async with asyncio.timeout(_WITHIN):
        await asyncio.gather(*(handle.result() for handle in handles))
    return EVENTS / (time.perf_counter() - began)


async def start_by_bridge(
    bridge: Bridge,
    js: JetStreamContext,
    temporal: Client,
    database: asyncpg.Connection,
    route: str | None = None,
) -> float:
    """Publish one event after the other; return the median way to Temporal in ms."""
    ways = []
    for event in publishing.light_events(STARTS):
        await publishing.structured_on(js, bridge, event)
        acknowledged = time.time()
        event_uid = uid(event["source"], event["id"])
        # How late this is noticed does not matter: the start's own time is what counts.
        await eventually(
            functools.partial(database.fetchval, _SETTLED, event_uid), within=_WITHIN
        )
        handle = temporal.get_workflow_handle(f"{route or bridge.light_route}/{event_uid}")
        ways.append(await started_at(handle) - acknowledged)
    return 1000 * statistics.median(ways)


async def ways_at_a_rate(
    bridge: Bridge, js: JetStreamContext, temporal: Client, database: asyncpg.Connection
) -> list[float]:
    """Publish events at a steady rate; return each one's way to Temporal in ms."""
    acknowledged: dict[uuid.UUID, float] = {}

    async def publish(event: dict[str, Any]) -> None:
        await publishing.structured_on(js, bridge, event)
        acknowledged[uid(event["source"], event["id"])] = time.time()

    began = time.perf_counter()
    publishes = []
    for number, event in enumerate(publishing.light_events(RATE * SECONDS)):
        await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        publishes.append(asyncio.create_task(publish(event)))
    await asyncio.gather(*publishes)
    for event_uid in acknowledged:
        await eventually(
            functools.partial(database.fetchval, _SETTLED, event_uid), within=_WITHIN
        )
    ways = []
    for event_uid, at in acknowledged.items():
        handle = temporal.get_workflow_handle(f"{bridge.light_route}/{event_uid}")
        # The start may be there before the publisher has its acknowledgement in hand.
        ways.append(max(0.0, 1000 * (await started_at(handle) - at)))
    return ways


async def start_by_client(bridge: Bridge, temporal: Client) -> float:
    """Start one run after the other; return the median way to Temporal in ms.

    Each after a pause, as events that come one at a time: without it the server is still awake, and
    answers in less than half of the time.
    """
    ways = []
    for number in range(STARTS):
        await asyncio.sleep(PAUSE)
        began = time.time()
        handle = await started(bridge, temporal, number)
        ways.append(await started_at(handle) - began)
    return 1000 * statistics.median(ways)


async def started(bridge: Bridge, temporal: Client, number: int) -> Handle:
    return await temporal.start_workflow(
        "LightWorkflow",
        {"number": number},
        id=f"bare/{uuid.uuid4()}",
        task_queue=bridge.task_queue,
    )


async def started_at(handle: Handle) -> float:
    """When the run began by its history, in seconds since the epoch."""
    return (await handle.describe()).start_time.timestamp()
