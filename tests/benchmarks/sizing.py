"""The capacity model of docs/sizing.md, against a measurement.

Daemons dispatch a stream of starts to a Temporal frontend that answers immediately. First the processor
time of an event is measured in each part, with one daemon. From it the model predicts the rate of one and
of two daemons: as many events a second as the cores of this machine can pay for, but never more than one
core's worth in each daemon, because it is one thread.

`sizing.one-daemon`, `sizing.two-daemons`: starts a second, measured, against the prediction; near 1 is good.
"""

import asyncio
import os
import statistics
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import replace

import asyncpg
import psutil

from bridge.dispatch.partitions import PARTITIONS
from tests.benchmarks.harness import Context, Row
from tests.support.backlog import TOPIC, Ground, event, processor_seconds, settled_rate
from tests.support.tools import tool
from tests.support.waiting import eventually

NAME = "sizing"

EVENTS = 5000
ROUNDS = 5
_START = {"workflow": "NobodyPolls", "task_queue": "nobody"}
_SHARES = """
select count(*) filter (where owner is not null), count(distinct owner)
from leases where name like 'partition/%'
"""

Costs = Mapping[str, float]
"""Processor time of an event in seconds, by part; each daemon and the publisher are parts too."""


async def rows(context: Context) -> AsyncIterator[Row]:
    """Yield the rate of one and of two daemons, against what the model predicts."""
    with tool("tests.support.stand_in_temporal") as address:
        _warm_up = await _run(context, address, 1)
        _rate, costs = await _run(context, address, 1)
        _rate, recording = await _run(context, address, 1, topic="events.load.other")
        note = (
            f"reference: the prediction; ms of processor an event: {_shown(costs)}; "
            f"of one that no route wants: {_shown(recording)}"
        )
        for daemons, name in ((1, "one-daemon"), (2, "two-daemons")):
            rates = [(await _run(context, address, daemons))[0] for _ in range(ROUNDS)]
            measured, wanted = statistics.median(rates), predicted(costs, daemons, _cores())
            yield Row(
                name=f"{NAME}.{name}",
                ours=measured,
                reference=wanted,
                ratio=measured / wanted,
                unit="starts/s",
                pairs=ROUNDS,
                note=note,
            )


def predicted(costs: Costs, daemons: int, cores: int) -> float:
    """Return the events a second that the model predicts where all parts share one machine."""
    return min(daemons / costs["daemon"], cores / sum(costs.values()))


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def _shown(costs: Costs) -> str:
    return ", ".join(f"{part} {1e3 * cost:.2f}" for part, cost in costs.items())


async def _run(
    context: Context, temporal: str, daemons: int, topic: str = TOPIC
) -> tuple[float, Costs]:
    """Let daemons take what is published; return events a second, and the costs of an event.

    With another topic, the only route wants none of the events: they are recorded and no more.
    """
    async with context.database() as url, AsyncExitStack() as stack:
        ground = Ground(
            addresses=context.addresses, database_url=url, temporal_address=temporal
        )
        await ground.set_up([{"name": f"r-{ground.prefix}", "from": topic, "start": _START}])
        pids = {
            **{part: [pid] for part, pid in _servers(context).items()},
            "temporal": [_port_owner(temporal)],
            "daemon": [],
        }
        for number in range(daemons):
            own = replace(ground, folder=ground.folder / str(number))
            own.folder.mkdir()
            (own.folder / "routes.yaml").write_bytes(
                (ground.folder / "routes.yaml").read_bytes()
            )
            process = await stack.enter_async_context(own.daemon())
            pids["daemon"].append(process.pid)
        await _shared(url, daemons)
        events = [event(number, ground.prefix) for number in range(EVENTS)]
        before = {part: sum(map(processor_seconds, each)) for part, each in pids.items()}
        publishing_from = time.process_time()  # without the children: all others are
        publishing = asyncio.create_task(ground.publish(events))
        if topic == TOPIC:
            rate = await settled_rate(url, EVENTS)
        else:
            rate = await _recorded_rate(url)
        await publishing
        costs = {
            part: (sum(map(processor_seconds, each)) - before[part]) / EVENTS
            for part, each in pids.items()
        }
        return rate, {**costs, "publisher": (time.process_time() - publishing_from) / EVENTS}


async def _recorded_rate(url: str) -> float:
    connection = await asyncpg.connect(url)
    began = time.perf_counter()
    try:

        async def all_recorded() -> bool:
            await asyncio.sleep(0.5)
            recorded = await connection.fetchval("select max(sequence) from source_progress")
            return bool(recorded and recorded >= EVENTS)

        await eventually(all_recorded, within=600, what=f"{EVENTS} events recorded")
        return EVENTS / (time.perf_counter() - began)
    finally:
        await connection.close()


async def _shared(url: str, daemons: int) -> None:
    """Wait until so many daemons hold all partitions between them."""
    connection = await asyncpg.connect(url)
    try:

        async def all_held() -> bool:
            row = await connection.fetchrow(_SHARES)
            return row is not None and tuple(row) == (PARTITIONS, daemons)

        await eventually(all_held, within=60, what=f"{daemons} daemons share the partitions")
    finally:
        await connection.close()


def _port_owner(address: str) -> int:
    port = int(address.rpartition(":")[2])
    for process in psutil.Process().children(recursive=True):
        if any(
            each.laddr.port == port and each.status == psutil.CONN_LISTEN
            for each in process.net_connections("tcp")
        ):
            return process.pid
    raise RuntimeError(f"no child of this process listens on port {port}")


def _servers(context: Context) -> dict[str, int]:
    pids = context.addresses.pids
    return {name: pid for name, pid in pids.items() if name.startswith(("nats", "postgres"))}
