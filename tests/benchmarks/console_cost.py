"""What the console costs the daemon.

`console-cost.ten-browsers`: starts a second over a backlog while ten browsers show the live overview of a
bridge that has dispatched a lot in the last hour, against the same without them. What is wanted is at least 0.95.

`console-cost.indexes`: microseconds of Postgres's processor for planning and settling a dispatch and noting its run,
against the same without the indexes that only looking, pauses and stuck lanes need.

`console-cost.paused`: milliseconds of Postgres's processor for taking 200 dispatches of ten routes beside a paused
route with 1,000,000 open ones, against the same with nothing paused and without those.
"""

import asyncio
import re
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TypeAlias

import asyncpg
import psutil

from bridge.devstack.child import Child, Command
from bridge.devstack.environment import scrubbed
from bridge.devstack.stack import says
from tests.benchmarks.harness import Context, Row, alternate
from tests.support import databases
from tests.support.backlog import TOPIC, CpuSplit, Ground, event
from tests.support.servers import ROOT
from tests.support.waiting import eventually

NAME = "console-cost"

BACKLOG = 3000
BROWSERS = 10
SETTLED = 200_000
PAUSED = 1_000_000
PAGE = 200
_START = {"workflow": "NobodyPolls", "task_queue": "nobody"}
_INDEXES = ("dispatches_settled", "dispatches_failing", "dispatches_of_route", "runs_noted")
_BATCH, _BATCHES = 50, 60
_TAKES = 100

# In the last hour, of ten routes.
_HISTORY = """
insert into dispatches (uid, position, route, route_digest, operation, key, target, request_id, call, state,
                        partition, attempts, planned_at, settled_at)
select gen_random_uuid(), 0, 'r' || n % 10, '', 'start', 'old' || n, 'old' || n, gen_random_uuid(), '{}', 'done', 0, 1,
       at, at + interval '80 ms'
from (select n, now() - n * interval '55 min' / $1 as at from generate_series(1, $1::int) n) as past
"""
_OPEN = """
insert into dispatches (uid, position, route, route_digest, operation, key, target, request_id, call, state,
                        partition, next_attempt_at)
select gen_random_uuid(), n, case when n <= $1 then 'paused' else 'r' || n % 10 end, '', 'start', 'k' || n, 'k' || n,
       gen_random_uuid(), '{"number": 1}', 'open', n % 32, now()
from generate_series($2::int, $3::int) n
"""
_PLAN = """
insert into dispatches (uid, position, route, route_digest, operation, key, target, request_id, call, state, partition)
select gen_random_uuid(), n, 'r' || n % 10, '', 'start', 'k' || n, 'k' || n, gen_random_uuid(), '{}', 'open', n % 32
from generate_series($1::int, $2::int) n
"""
_SETTLE = """
with settled as (
    update dispatches
    set state = 'done', run_id = gen_random_uuid()::text, attempts = attempts + 1, settled_at = clock_timestamp()
    where position between $1 and $2 and state = 'open'
    returning run_id, target, uid, route
)
insert into runs (run_id, workflow_id, latest, uid, route) select run_id, target, run_id, uid, route from settled
"""
_TAKE = """
select count(*) from take_dispatches('', array(select generate_series(0, 31))::smallint[], '{}', $1, '{}', $2, 100000000)
"""

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


async def rows(context: Context) -> AsyncIterator[Row]:
    """Yield the three rows."""
    yield await _indexes(context)
    yield await _paused(context)
    yield await _browsers(context)


async def _indexes(context: Context) -> Row:
    async with context.migrated_database() as whole, context.migrated_database() as bare:
        with_them, without = await asyncpg.connect(whole), await asyncpg.connect(bare)
        for name in _INDEXES:
            await without.execute(f"drop index {name}")
        numbers = iter(range(10**9))

        async def dispatches(connection: Connection) -> float:
            first = _BATCH * _BATCHES * next(numbers)
            async with _processor(connection) as took:
                for start in range(first, first + _BATCH * _BATCHES, _BATCH):
                    await connection.execute(_PLAN, start, start + _BATCH - 1)
                    await connection.execute(_SETTLE, start, start + _BATCH - 1)
            return 1e6 * took[0] / (_BATCH * _BATCHES)

        compared = await alternate(lambda: dispatches(with_them), lambda: dispatches(without))
        await with_them.close()
        await without.close()
    return compared.row(
        f"{NAME}.indexes",
        unit="µs",
        note=f"{_BATCH} in a statement; without {', '.join(_INDEXES)}",
    )


async def _paused(context: Context) -> Row:
    async with context.migrated_database() as url, context.migrated_database() as plain:
        beside, alone = [
            await asyncpg.connect(each, command_timeout=1800) for each in (url, plain)
        ]
        await beside.execute(_OPEN, PAUSED, 1, PAUSED + 5000)
        await alone.execute(_OPEN, PAUSED, PAUSED + 1, PAUSED + 5000)
        for each in (beside, alone):
            await each.execute("vacuum analyze dispatches")

        async def take(connection: Connection, left_out: list[str]) -> float:
            async with _processor(connection) as took:
                # The clock of a process has steps of 10 ms.
                for _ in range(_TAKES):
                    assert await connection.fetchval(_TAKE, PAGE, left_out) == PAGE
            return 1000 * took[0] / _TAKES

        compared = await alternate(lambda: take(beside, ["paused"]), lambda: take(alone, []))
        await beside.close()
        await alone.close()
    return compared.row(
        f"{NAME}.paused", unit="ms", note=f"a page of {PAGE}, ten routes, {PAUSED:,} paused"
    )


@asynccontextmanager
async def _processor(connection: Connection) -> AsyncIterator[list[float]]:
    """Measure the processor time of a connection's backend, in seconds; others cannot disturb it."""
    backend = psutil.Process(await connection.fetchval("select pg_backend_pid()"))
    took = [0.0]
    before = sum(backend.cpu_times()[:2])
    yield took
    took[0] = sum(backend.cpu_times()[:2]) - before


async def _browsers(context: Context) -> Row:
    splits: list[str] = []
    async with context.migrated_database() as template:
        connection = await asyncpg.connect(template, command_timeout=600)
        await connection.execute(_HISTORY, SETTLED)
        await connection.execute("vacuum analyze")
        await connection.close()
        compared = await alternate(
            lambda: _rate(context, template, BROWSERS, splits),
            lambda: _rate(context, template, 0, []),
        )
    return compared.row(
        f"{NAME}.ten-browsers",
        unit="starts/s",
        note=f"{SETTLED:,} settled in the last hour; in cores, with them: {splits[-1]}",
    )


async def _rate(context: Context, template: str, browsers: int, splits: list[str]) -> float:
    """Let a daemon take a backlog while browsers look; return dispatches a second."""
    server = context.addresses.database_url
    async with databases.database(server, template=databases.name_of(template)) as url:
        ground = Ground(
            addresses=context.addresses,
            database_url=url,
            temporal_address=context.addresses.temporal_address,
        )
        await ground.set_up([{"name": f"r-{ground.prefix}", "from": TOPIC, "start": _START}])
        await ground.publish([event(n, ground.prefix) for n in range(BACKLOG)])
        async with AsyncExitStack() as stack:
            pids: dict[str, int] = {}
            if browsers:
                console = await stack.enter_async_context(_console(ground))
                pids["console"] = console.pid
                await stack.enter_async_context(_looking(console, browsers))
            daemon = await stack.enter_async_context(ground.daemon())
            pids |= {"daemon": daemon.pid, "postgres": context.addresses.pids["postgres"]}
            split, began = CpuSplit(pids), time.perf_counter()
            rate = await _settled(url)
            splits.append(split.text(time.perf_counter() - began))
            return rate


@asynccontextmanager
async def _console(ground: Ground) -> AsyncIterator[Child]:
    child = Child(
        Command(
            name="console",
            argv=[sys.executable, "-m", "bridge", "console"],
            env={
                **scrubbed(),
                "PYTHONPATH": str(ROOT),
                "NATS_URL": ground.addresses.nats_url,
                "TEMPORAL_ADDRESS": ground.temporal_address,
                "DATABASE_URL": ground.database_url,
                "NTBRIDGE_NATS__PREFIX": ground.prefix,
                "NTBRIDGE_ROUTES": str(ground.folder / "routes.yaml"),
                "NTBRIDGE_CONSOLE__PORT": "0",
                "NTBRIDGE_LOG__FORMAT": "json",
            },
            log=ground.folder / "console.log",
            ready=says("console.listening"),
            start_within=180,
            stop_within=60,
        )
    )
    await child.start()
    try:
        yield child
    finally:
        await child.kill()


@asynccontextmanager
async def _looking(console: Child, browsers: int) -> AsyncIterator[None]:
    """Keep the live overview open in some browsers; goes on when each has seen it once."""
    found = re.search(r'"http://127\.0\.0\.1:(\d+)"', console.output())
    if found is None:
        raise RuntimeError(console.output())
    port, seen = int(found[1]), asyncio.Semaphore(0)

    async def look() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET /live/overview HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        await reader.readuntil(b"event: overview")
        seen.release()
        while await reader.read(2**16):
            pass
        raise RuntimeError("the console closed the connection")

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(look()) for _ in range(browsers)]
        for _ in tasks:
            await seen.acquire()
        yield
        for task in tasks:
            task.cancel()


async def _settled(url: str) -> float:
    """Wait until the backlog is settled; return dispatches a second."""
    connection = await asyncpg.connect(url)
    whole = "from dispatches where position > 0 and settled_at is not null"

    async def all_settled() -> bool:
        await asyncio.sleep(0.5)
        return bool(await connection.fetchval(f"select count(*) >= {BACKLOG} {whole}"))

    try:
        await eventually(all_settled, within=1800, what=f"{BACKLOG} dispatches settled")
        span = await connection.fetchval(
            f"select extract(epoch from max(settled_at) - min(settled_at)) {whole}"
        )
        return BACKLOG / float(span)
    finally:
        with suppress(asyncpg.PostgresError):
            await connection.close()
