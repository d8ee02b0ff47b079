"""Batched signals to one workflow through the bridge, over a backlog, against single signals by the bare client.

A workflow takes about two hundred signals a second, from any client. The rate of the bridge counts delivered events,
from the first recording to the last answer.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from statistics import median
from uuid import UUID, uuid4

import asyncpg

from bridge.operations.calls import Argument, CallError, SignalCall, StartCall
from bridge.settings.schema import TemporalSettings
from bridge.temporal import Gateway, connect
from tests.benchmarks.harness import Context, Row, alternate
from tests.support.backlog import BODY, TOPIC, Ground, event, settled_rate

NAME = "windows"

EVENTS = 8000
"""Temporal takes 10,000 signals for a run."""
SIZE = 100
_IN_FLIGHT = (1, 4, 16)
_TRIAL = 200
_LOG = {"NTBRIDGE_LOG__LEVEL": "info", "NTBRIDGE_LOG__FORMAT": "json"}
_SPAN = "select extract(epoch from max(settled_at) - min(planned_at)) from dispatches"


async def rows(context: Context) -> AsyncIterator[Row]:
    """Yield the rate of events that one workflow gets."""
    gateway = await connect(TemporalSettings(address=context.addresses.temporal_address))
    best = await _best_in_flight(gateway)
    compared = await alternate(
        lambda: _bridge(context, gateway), lambda: _bare(gateway, best, EVENTS)
    )
    yield compared.row(
        "windows.batched-signals",
        unit="events/s",
        note=f"{EVENTS} events to one workflow, {SIZE} a signal; reference: single signals by the bare client "
        f"at {best} in flight; target 3",
    )


async def _bridge(context: Context, gateway: Gateway) -> float:
    target = await _started(gateway)
    async with context.database() as url:
        ground = Ground(
            addresses=context.addresses,
            database_url=url,
            temporal_address=context.addresses.temporal_address,
        )
        route: dict[str, object] = {
            "name": f"r-{ground.prefix}",
            "from": TOPIC,
            "batch": {"size": SIZE, "for": "1s"},
            "signal": {
                "signal": "happened",
                "workflow_id": "event.subject",
                "argument": "data",
            },
        }
        await ground.set_up([route])
        await ground.publish([event(n, ground.prefix, target) for n in range(EVENTS)])
        async with ground.daemon(**_LOG):
            await settled_rate(url, EVENTS)
        connection = await asyncpg.connect(url)
        try:
            return EVENTS / float(await connection.fetchval(_SPAN))
        finally:
            await connection.close()


async def _started(gateway: Gateway) -> str:
    target = f"target-{uuid4().hex}"
    await gateway.start(
        StartCall(
            workflow="NobodyPolls",
            task_queue="nobody",
            workflow_id=target,
            request_id=uuid4(),
            argument=Argument(),
            search_attributes={},
            memo={},
        )
    )
    return target


async def _bare(gateway: Gateway, in_flight: int, count: int) -> float:
    """Send single signals to a workflow, a fixed number at a time; return signals a second."""
    target = await _started(gateway)
    numbers = iter(range(count))

    async def work() -> None:
        for _ in numbers:
            request = uuid4()
            while not await _is_sent(gateway, target, request):
                pass

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    return count / (time.perf_counter() - began)


async def _is_sent(gateway: Gateway, target: str, request: UUID) -> bool:
    """Send one; whatever limit the server sets for one workflow, it is sent again, as any client does."""
    call = SignalCall(
        workflow_id=target,
        signal="happened",
        request_id=request,
        argument=Argument(data=BODY),
    )
    try:
        await gateway.signal(call)
    except CallError as error:
        if error.status not in (
            "RESOURCE_EXHAUSTED",
            "CANCELLED",
            "UNAVAILABLE",
            "DEADLINE_EXCEEDED",
        ):
            raise
        return False
    return True


async def _best_in_flight(gateway: Gateway) -> int:
    found: dict[int, list[float]] = {number: [] for number in _IN_FLIGHT}
    for _ in range(3):
        for number, rates in found.items():
            rates.append(await _bare(gateway, number, _TRIAL))
    return max(found, key=lambda number: median(found[number]))
