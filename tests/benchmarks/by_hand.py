"""The way from an event to its call, written by hand, beside the bridge: what its guarantees cost anybody.

The loop fetches with nats-py, records and settles by the bridge's own two statements, and calls with the bare client,
all from memory. The next call of a workflow waits for the commit of the one before, as it must if none is to
be lost or made twice. It has no routes, expressions, checks, dead letters, pauses, pace, metrics or traces, and
it cannot be started again.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec
import nats
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig

from bridge.operations.calls import Argument, SignalCall
from bridge.routes.table import request_id
from bridge.settings.schema import TemporalSettings
from bridge.sql import STATEMENTS
from bridge.temporal import Gateway, connect
from eventstore.database import Database
from eventstore.events import Event, NewEvent, Origin
from eventstore.leases import Lease, Leases
from tests.benchmarks import dispatch, main_job
from tests.benchmarks.eventstore_append import row_of
from tests.benchmarks.harness import Context, Row, alternate
from tests.support.backlog import TOPIC, Ground, event
from tests.support.checker import connected
from tests.support.daemon import running
from tests.support.tools import tool

NAME = "dispatch.by-hand"

_IN_FLIGHT = 16
_BATCH = 256
_PATIENCE = 60
"""Seconds to wait for an event."""
_ROUTE = "by-hand"
_LINGER = 0.02
"""Seconds that an outcome waits for others where no lane waits for its commit, as in the bridge."""
_IDS = "select uid, id from dispatches where uid = any ($1)"
_SPAN = "select extract(epoch from max(settled_at) - min(settled_at)) from dispatches"


async def rows(context: Context) -> AsyncIterator[Row]:
    """Yield starts at a server that answers immediately, and signals to Temporal's development server."""
    with tool("tests.support.stand_in_temporal") as address:
        compared = await alternate(
            lambda: dispatch.measure_bridge(context, address),
            lambda: _starts(context, address),
        )
    note = f"{dispatch.BACKLOG} events; reference: by hand, {_IN_FLIGHT} in flight"
    yield compared.row(f"{NAME}.own-cost", unit="starts/s", note=note)
    address = context.addresses.temporal_address
    gateway = await connect(TemporalSettings(address=address))
    compared = await alternate(
        lambda: dispatch.measure_signals(context, gateway),
        lambda: _signals(context, gateway),
    )
    yield compared.row(f"{NAME}.signals-over-backlog", unit="signals/s", note=note)
    yield await _one_at_a_time(context)


async def _one_at_a_time(context: Context) -> Row:
    """Return the way of one event after the other, from its acknowledgement to its start."""
    address = context.addresses.temporal_address
    async with AsyncExitStack() as stack:
        ours, other = [
            await stack.enter_async_context(main_job.bridge_on(context)) for _ in range(2)
        ]
        await stack.enter_async_context(running(ours.daemon()))
        temporal = await connected(ours)
        client = await nats.connect(context.addresses.nats_url)
        stack.push_async_callback(client.close)
        js = client.jetstream()
        databases = [await asyncpg.connect(each.database_url) for each in (ours, other)]
        for each in databases:
            stack.push_async_callback(each.close)
        ground = Ground(
            addresses=context.addresses,
            database_url=other.database_url,
            temporal_address=address,
            prefix=other.prefix,
        )
        database = await Database.connect(other.database_url)
        stack.push_async_callback(database.close)
        loop = _Loop(database, await _start_at(address), starts=True)
        by_hand = asyncio.create_task(loop.run(ground, 6 * main_job.STARTS, batch=1))
        compared = await alternate(
            lambda: main_job.start_by_bridge(ours, js, temporal, databases[0]),
            lambda: main_job.start_by_bridge(other, js, temporal, databases[1], _ROUTE),
        )
        await by_hand
    note = "publish acknowledged to start, one at a time; reference: by hand; less is better"
    return compared.row(f"{NAME}.start", unit="ms", note=note)


class _Planned(NamedTuple):
    """A dispatch."""

    uid: UUID
    target: str
    request_id: UUID
    data: bytes


Call = Callable[[_Planned], Awaitable[str]]


async def _starts(context: Context, address: str) -> float:
    return await _run(context, address, await _start_at(address), [None])


async def _start_at(address: str) -> Call:
    gateway = await connect(TemporalSettings(address=address))

    async def start(planned: _Planned) -> str:
        call = dispatch.start_call(planned.target, planned.request_id, planned.data)
        return (await gateway.start(call)).run_id

    return start


async def _signals(context: Context, gateway: Gateway) -> float:
    async def signal(planned: _Planned) -> str:
        return await gateway.signal(
            SignalCall(
                workflow_id=planned.target,
                signal="happened",
                request_id=planned.request_id,
                argument=Argument(data=planned.data),
            )
        )

    targets = await dispatch.start_targets(gateway)
    return await _run(context, context.addresses.temporal_address, signal, targets)


async def _run(
    context: Context, temporal: str, call: Call, targets: Sequence[str | None]
) -> float:
    """Take a backlog; return dispatches a second."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(context.database())
        ground = Ground(
            addresses=context.addresses, database_url=url, temporal_address=temporal
        )
        await ground.set_up([])
        count = dispatch.BACKLOG
        await ground.publish(
            [event(n, ground.prefix, targets[n % len(targets)]) for n in range(count)]
        )
        database = await Database.connect(url)
        stack.push_async_callback(database.close)
        await _Loop(database, call, starts=targets == [None]).run(ground, count)
        return count / float(await database.fetchval(_SPAN))


class _Loop:
    """Three parts over two queues, as in the bridge."""

    def __init__(self, database: Database, call: Call, *, starts: bool) -> None:
        self._database = database
        self._call = call
        self._starts = starts
        self._lanes: defaultdict[str, deque[tuple[int, _Planned]]] = defaultdict(deque)
        self._ready: asyncio.Queue[tuple[int, _Planned]] = asyncio.Queue()
        self._answers: list[tuple[int, _Planned, str]] = []
        self._answered = asyncio.Event()

    async def run(self, ground: Ground, count: int, *, batch: int = _BATCH) -> None:
        """Take so many events, and return when all are settled."""
        async with asyncio.TaskGroup() as tasks:
            callers = [tasks.create_task(self.call_each()) for _ in range(_IN_FLIGHT)]
            tasks.create_task(self.take_in(ground, count, batch))
            await self.settle(count)
            for caller in callers:
                caller.cancel()

    async def take_in(self, ground: Ground, count: int, batch: int) -> None:
        """Record the events of a stream, and put them into lanes."""
        lease = await _lease(self._database, "source/by-hand")
        client = await nats.connect(ground.addresses.nats_url)
        js = client.jetstream()
        stream = ground.settings.nats.stream("EVENTS")
        consumer = ConsumerConfig(durable_name="by-hand", ack_policy=AckPolicy.EXPLICIT)
        await js.add_consumer(stream, consumer)
        subscription = await js.pull_subscribe_bind("by-hand", stream)
        created = (await js.stream_info(stream)).created
        taken = 0
        while taken < count:
            messages = await subscription.fetch(batch, timeout=_PATIENCE)
            planned, columns = self._plan(messages)
            last = messages[-1].metadata.sequence.stream
            progress = (stream, created, "by-hand", last, 0)
            await self._database.fetch(
                STATEMENTS["record_received"], *lease.fence, *columns, *progress
            )
            inserted = await self._database.fetch(_IDS, [each.uid for each in planned])
            ids: dict[UUID, int] = {row["uid"]: row["id"] for row in inserted}
            for each in planned:
                lane = self._lanes[each.target]
                lane.append((ids[each.uid], each))
                if len(lane) == 1:
                    self._ready.put_nowait(lane[0])
            for message in messages:
                await message.ack()
            taken += len(messages)
        await client.close()

    async def call_each(self) -> None:
        """Make calls, one after the other."""
        while True:
            number, planned = await self._ready.get()
            run_id = await self._call(planned)
            self._answers.append((number, planned, run_id))
            self._answered.set()

    async def settle(self, count: int) -> None:
        """Commit what was answered, and let lanes advance."""
        lease = await _lease(self._database, "partition/0")
        while count:
            await self._answered.wait()
            if self._starts:
                await asyncio.sleep(_LINGER)
            self._answered.clear()
            group, self._answers = self._answers, []
            nothing = [None] * len(group)
            await self._database.fetchval(
                STATEMENTS["settle_dispatches"],
                [number for number, _, _ in group],
                ["done"] * len(group),
                [run_id or None for _, _, run_id in group],
                *(nothing, nothing, lease.owner),
                [False] * len(group) if self._starts else nothing,
                *([lease.name], [lease.epoch], lease.fence[-1]),
            )
            count -= len(group)
            for _, planned, _ in group:
                lane = self._lanes[planned.target]
                lane.popleft()
                if lane:
                    self._ready.put_nowait(lane[0])

    def _plan(self, messages: Sequence[Msg]) -> tuple[list[_Planned], list[object]]:
        """Return dispatches, and the arguments of ``record_received`` between lease and progress."""
        planned, events, plans = list[_Planned](), list[object](), list[object]()
        for message in messages:
            found = msgspec.json.decode(message.data)
            data = msgspec.json.encode(found["data"])
            received = Event(
                id=found["id"], source=found["source"], type=found["type"], data=data
            )
            _, _, *row = row_of(NewEvent(event=received, origin=Origin.RECEIVED), "", 1)
            uid = received.uid
            target = found.get("subject") or f"{_ROUTE}/{uid}"
            planned.append(_Planned(uid, target, request_id(uid, _ROUTE, 1), data))
            events.append(tuple(row))
            plans.append(_plan_row(planned[-1], "start" if self._starts else "signal"))
        count, numbers = len(messages), list(range(1, len(messages) + 1))
        streams = [f"load/{each.uid}" for each in planned]
        sequences = [message.metadata.sequence.stream for message in messages]
        appends = [None, streams, [None] * count, [1] * count, events]
        deliveries = [sequences, [TOPIC] * count, ["matched"] * count, numbers]
        return planned, [*appends, numbers, plans, False, False, False, *deliveries]


async def _lease(database: Database, name: str) -> Lease:
    lease = await Leases(database).acquire(name, "by-hand", 3600.0)
    if lease is None:
        raise RuntimeError(f"somebody holds {name}")
    return lease


def _plan_row(planned: _Planned, operation: str) -> tuple[object, ...]:
    digest, target = sha256(b"by hand").digest(), planned.target
    identity = (_ROUTE, digest, 1, operation, "", target, 0, target, planned.request_id)
    call = '{"workflow":"NobodyPolls","task_queue":"nobody"}'
    limits = (operation == "start", None, None, None)
    return (*identity, call, *limits, "open", None, None, None)
