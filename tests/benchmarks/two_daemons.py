"""The way of one event with two daemons, against one.

`dispatch.two-daemons`: from a publish's acknowledgement to the start's arrival at a Temporal that answers at once, in
milliseconds, one event at a time. With two daemons, half of the events are for the partitions of the daemon
that does not fetch, which is notified of them.
"""

import asyncio
import tempfile
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median, quantiles

import nats
from nats.js import JetStreamContext

from tests.benchmarks.harness import Context, Row, alternate
from tests.support import checker, publishing
from tests.support.daemon import Bridge, running, set_up
from tests.support.stand_in_temporal import Arrivals, begin
from tests.support.waiting import eventually

NAME = "dispatch.two-daemons"

EVENTS = 100
_WITHIN = 60.0


async def rows(context: Context) -> AsyncIterator[Row]:
    """Yield the median, with the others in the note."""
    seen: list[float] = []
    async with _daemons(context, 2) as (bridge, arrivals), _daemons(context, 1) as (alone, his):
        client = await nats.connect(context.addresses.nats_url)
        js = client.jetstream()
        found = await alternate(
            lambda: _latency(bridge, js, arrivals, seen), lambda: _latency(alone, js, his, [])
        )
        await client.close()
    cuts = quantiles(seen, n=100)
    yield found.row(
        NAME,
        unit="ms",
        note=f"median of {EVENTS} events; all with two daemons: p90 {cuts[89]:.1f}, p99 {cuts[98]:.1f}, "
        f"at most {max(seen):.1f} ms; less is better",
    )


@asynccontextmanager
async def _daemons(context: Context, count: int) -> AsyncIterator[tuple[Bridge, Arrivals]]:
    prefix, arrivals = f"b{uuid.uuid4().hex[:8]}", Arrivals()
    server, address = await begin(arrivals)
    async with context.migrated_database() as url:
        folder = Path(tempfile.mkdtemp(prefix="bench-"))
        bridge = await set_up(Bridge, context.addresses, url, prefix, f"{prefix}-q", folder)
        daemons = [
            bridge.daemon(f"daemon-{number}", TEMPORAL_ADDRESS=address)
            for number in range(count)
        ]
        async with running(*daemons):
            await eventually(lambda: _share(bridge, count), within=_WITHIN, what="even shares")
            yield bridge, arrivals
    await server.stop(None)


async def _share(bridge: Bridge, daemons: int) -> bool:
    found = await checker.rows(
        bridge,
        "select count(*) from leases where name like 'partition/%'"
        " and owner is not null and expires_at > clock_timestamp() group by owner",
    )
    return [row[0] for row in found] == [32 // daemons] * daemons


async def _latency(
    bridge: Bridge, js: JetStreamContext, arrivals: Arrivals, seen: list[float]
) -> float:
    clock = asyncio.get_running_loop().time
    found = []
    for event in publishing.light_events(EVENTS):
        arrivals.arrived.clear()
        await publishing.structured_on(js, bridge, event)
        acknowledged = clock()
        await asyncio.wait_for(arrivals.arrived.wait(), _WITHIN)
        found.append(1000 * (arrivals.times[-1] - acknowledged))
    seen += found
    return median(found)
