"""How soon the end of a run is told.

`closures.lag`: a thousand runs that a route started are terminated within a minute. From the moment
at which visibility lists one as closed to the moment at which its result event is recorded, in
seconds; the slowest counts. The reference is what is promised, 5 s. A run may be told of before it
is listed; that counts as 0.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

import asyncpg
import nats
import yaml
from temporalio.client import Client

from tests.benchmarks.harness import Context, Row
from tests.benchmarks.main_job import bridge_on
from tests.support import checker, publishing
from tests.support.daemon import Bridge, running
from tests.support.waiting import eventually

NAME = "closures"

RUNS = 1000
SECONDS = 50
PROMISED = 5.0
_TYPE = "io.example.load.asked.v1"
_TOLD = "select subject, recorded_at from event_attributes where topic = 'results.workflow.terminated'"


async def rows(context: Context) -> AsyncIterator[Row]:
    """Yield the one row."""
    async with bridge_on(context) as ground:
        bridge = replace(ground, closures=True)
        start = {"workflow": "NobodyPolls", "task_queue": bridge.task_queue}
        route = {"name": bridge.prefix, "from": "events.load.asked", "start": start}
        bridge.routes_file.write_text(yaml.safe_dump({"routes": [route]}))
        async with running(bridge.daemon()):
            await publish(bridge)
            ids = [row["target"] for row in await checker.dispatches(bridge)]
            temporal = await checker.connected(bridge)
            watching = asyncio.create_task(listed_at(temporal, bridge.prefix))
            await terminate(temporal, ids)
            told = await told_at(bridge)
            listed = await watching
    lags = [max(0.0, told[each] - listed[each]) for each in ids]
    yield Row(
        name="closures.lag",
        ours=max(lags),
        reference=PROMISED,
        ratio=max(lags) / PROMISED,
        unit="s",
        pairs=1,
        note=f"slowest of {RUNS} runs closed in {SECONDS} s (median {statistics.median(lags):.2f} s) "
        "against what is promised; lower is better",
    )


async def publish(bridge: Bridge) -> None:
    """Have all runs started."""
    client = await nats.connect(bridge.addresses.nats_url)
    js = client.jetstream()
    for number in range(RUNS):
        event = publishing.event(_TYPE, {"number": number})
        await publishing.structured_on(js, bridge, event)
    await client.close()

    async def started() -> bool:
        states = [row["state"] for row in await checker.dispatches(bridge)]
        return states.count("done") == RUNS

    await eventually(started, within=120)


async def terminate(temporal: Client, ids: list[str]) -> None:
    """End the runs, evenly over the time."""
    began = time.perf_counter()
    for number, workflow_id in enumerate(ids):
        due = began + number * SECONDS / RUNS
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        await temporal.get_workflow_handle(workflow_id).terminate()


async def listed_at(temporal: Client, route: str) -> dict[str, float]:
    """When each run was first listed as closed, in seconds since the epoch."""
    listed: dict[str, float] = {}
    while len(listed) < RUNS:
        since = datetime.fromtimestamp(time.time() - 10, UTC).isoformat()
        query = f"BridgeRoute = '{route}' AND CloseTime >= '{since}'"
        async for run in temporal.list_workflows(query):
            listed.setdefault(run.id, time.time())
        await asyncio.sleep(0.2)
    return listed


async def told_at(bridge: Bridge) -> dict[str, float]:
    """When the event about each run was recorded, in seconds since the epoch."""

    async def all_told() -> list[asyncpg.Record] | None:
        found = await checker.rows(bridge, _TOLD)
        return found if len(found) == RUNS else None

    found = await eventually(all_told, within=120)
    return {row["subject"]: row["recorded_at"].timestamp() for row in found}
