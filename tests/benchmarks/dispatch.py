"""Starts and signals through the bridge, over a backlog, against the bare client.

All servers share the machine with what is measured, so both sides pay for them alike. The bare
client sends the very same raw requests, at the fixed number in flight that was found best.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from statistics import median
from uuid import UUID, uuid4

from bridge.operations.calls import Argument, CallError, SignalCall, StartCall
from bridge.settings.schema import TemporalSettings
from bridge.temporal import Gateway, connect
from tests.benchmarks.harness import Context, Row, alternate
from tests.support.backlog import BODY, EVENT_TYPE, TOPIC, CpuSplit, Ground, event, settled_rate
from tests.support.pages import get, url_of
from tests.support.tools import tool

NAME = "dispatch"

BACKLOG = 5000
_IN_FLIGHT = (4, 8, 16, 32)
_PASSING = frozenset({"CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE"})
_TRIAL = 300
_TARGETS = 20
"""Workflows that signals go to: lanes, of which each goes on when its head is settled."""
_SINGLE = 100
_CALLS = "ntbridge_dispatch_call_duration_seconds"
_LOG = {"NTBRIDGE_LOG__LEVEL": "info", "NTBRIDGE_LOG__FORMAT": "json"}
_WORKFLOW = "NobodyPolls"
_START = {"workflow": _WORKFLOW, "task_queue": "nobody"}


async def rows(context: Context) -> AsyncIterator[Row]:
    """Yield starts over a backlog, latency at that pace, signals, and the bridge's own cost."""
    gateway = await connect(TemporalSettings(address=context.addresses.temporal_address))
    for row in await _starts(context, gateway):
        yield row
    yield await _signals(context, gateway)
    with tool("tests.support.stand_in_temporal") as address:
        yield await _own_cost(context, address)


async def _starts(context: Context, gateway: Gateway) -> list[Row]:
    splits: list[str] = []
    latencies: list[float] = []
    best = await _best_in_flight(lambda n: gateway.start(_start_call(n)))
    compared = await alternate(
        lambda: _bridge(
            context,
            context.addresses.temporal_address,
            BACKLOG,
            splits,
            latencies=latencies,
        ),
        lambda: _bare(lambda n: gateway.start(_start_call(n)), best, BACKLOG),
    )
    single = 1 / await _bare(lambda n: gateway.start(_start_call(n)), 1, _SINGLE)
    return [
        compared.row(
            "dispatch.starts-over-backlog",
            unit="starts/s",
            note=f"bare client at {best} in flight; CPU in cores: {splits[-1]}",
        ),
        Row(
            name="dispatch.call-latency",
            ours=1000 * median(latencies),
            reference=1000 * single,
            ratio=median(latencies) / single,
            unit="ms",
            pairs=len(latencies),
            note="mean of a call at that pace; reference: calls one at a time; target 3",
        ),
    ]


async def _signals(context: Context, gateway: Gateway) -> Row:
    targets = await start_targets(gateway)

    def signal(number: int) -> Awaitable[object]:
        return gateway.signal(
            SignalCall(
                workflow_id=targets[number % len(targets)],
                signal="happened",
                request_id=uuid4(),
                argument=Argument(data=BODY),
            )
        )

    best = await _best_in_flight(signal)
    splits: list[str] = []

    compared = await alternate(
        lambda: measure_signals(context, gateway, splits), lambda: _bare(signal, best, BACKLOG)
    )
    return compared.row(
        "dispatch.signals-over-backlog",
        unit="signals/s",
        note=f"{_TARGETS} workflows; bare client at {best} in flight, which keeps no order; "
        f"CPU in cores: {splits[-1]}",
    )


async def _own_cost(context: Context, address: str) -> Row:
    gateway = await connect(TemporalSettings(address=address))
    best = await _best_in_flight(lambda n: gateway.start(_start_call(n)))
    compared = await alternate(
        lambda: measure_bridge(context, address),
        lambda: _bare(lambda n: gateway.start(_start_call(n)), best, BACKLOG),
    )
    return compared.row(
        "dispatch.own-cost",
        unit="starts/s",
        note="against a stand-in frontend that answers at once, recording included; bare client "
        f"at {best} in flight",
    )


async def start_targets(gateway: Gateway) -> list[str]:
    """Start workflows for signals; return their ids."""
    targets = [f"target-{uuid4().hex}" for _ in range(_TARGETS)]
    for target in targets:
        await gateway.start(_start_call(0, workflow_id=target))
    return targets


async def measure_signals(
    context: Context, gateway: Gateway, splits: list[str] | None = None
) -> float:
    """Let a daemon signal workflows over a backlog; return signals a second."""
    targets = await start_targets(gateway)
    address = context.addresses.temporal_address
    kept = [] if splits is None else splits
    return await _bridge(context, address, BACKLOG, kept, targets=targets)


async def measure_bridge(context: Context, temporal: str) -> float:
    """Let a daemon start workflows over a backlog; return starts a second."""
    return await _bridge(context, temporal, BACKLOG, [])


async def _bridge(
    context: Context,
    temporal: str,
    count: int,
    splits: list[str],
    *,
    targets: list[str] | None = None,
    latencies: list[float] | None = None,
) -> float:
    """Let a daemon take a backlog; return dispatches a second.

    Appends to ``splits`` how much of a core each process took, and to ``latencies`` the mean
    time of a call in seconds, by the daemon's own page.
    """
    async with context.database() as url:
        ground = Ground(
            addresses=context.addresses, database_url=url, temporal_address=temporal
        )
        route: dict[str, object] = {"name": f"r-{ground.prefix}", "from": TOPIC}
        if targets is None:
            route["start"] = _START
        else:
            route["signal"] = {
                "signal": "happened",
                "workflow_id": "event.subject",
                "argument": "data",
            }
        await ground.set_up([route])
        subjects: list[str | None] = [*targets] if targets else [None]
        await ground.publish(
            [event(n, ground.prefix, subjects[n % len(subjects)]) for n in range(count)]
        )
        async with ground.daemon(**_LOG) as daemon:
            split = CpuSplit({"daemon": daemon.pid, **_servers(context)})
            began = time.perf_counter()
            rate = await settled_rate(url, count)
            splits.append(split.text(time.perf_counter() - began))
            if latencies is not None:
                latencies.append(await _mean_call(ground))
        return rate


async def _mean_call(ground: Ground) -> float:
    url = await url_of(ground.folder / "daemon.log")
    page = await get(url, "/metrics")
    found = dict(re.findall(rf"^{_CALLS}_(sum|count)\{{.*\}} (\S+)$", page.body, re.MULTILINE))
    return float(found["sum"]) / float(found["count"])


async def _bare(
    call: Callable[[int], Awaitable[object]],
    in_flight: int,
    count: int,
) -> float:
    """Make calls, a fixed number at a time; return calls a second."""
    numbers = iter(range(count))

    async def work() -> None:
        for number in numbers:
            # As any client does: what did not get through is sent again.
            while not await _got_through(call(number)):
                pass

    began = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(in_flight)))
    return count / (time.perf_counter() - began)


async def _got_through(call: Awaitable[object]) -> bool:
    try:
        await call
    except CallError as error:
        if error.status not in _PASSING:
            raise
        return False
    return True


async def _best_in_flight(call: Callable[[int], Awaitable[object]]) -> int:
    """Find the fixed number in flight at which the bare client is fastest."""
    found: dict[int, list[float]] = {number: [] for number in _IN_FLIGHT}
    for _ in range(3):
        for number, rates in found.items():
            rates.append(await _bare(call, number, _TRIAL))
    return max(found, key=lambda number: median(found[number]))


def _start_call(_number: int, workflow_id: str | None = None) -> StartCall:
    identity = uuid4()
    return start_call(workflow_id or f"r-bare-route/{identity}", identity)


def start_call(workflow_id: str, identity: UUID, data: bytes = BODY) -> StartCall:
    """Return a start as the bridge makes it of an event."""
    return StartCall(
        workflow=_WORKFLOW,
        task_queue="nobody",
        workflow_id=workflow_id,
        request_id=identity,
        argument=Argument(data=data),
        search_attributes={
            "BridgeRoute": "r-bare-route",
            "EventUid": str(identity),
            "EventType": EVENT_TYPE,
            "CorrelationId": "1234",
        },
        memo={
            "ce": {"id": "1234", "source": "/load/bare-route", "type": EVENT_TYPE},
            "bridge": {
                "uid": str(identity),
                "route": "r-bare-route",
                "correlation_id": "1234",
                "correlation_uid": str(identity),
                "hops": 0,
            },
        },
    )


def _servers(context: Context) -> dict[str, int]:
    wanted = ("nats", "temporal", "postgres")
    pids = context.addresses.pids
    return {name: pid for name, pid in pids.items() if name.startswith(wanted)}
