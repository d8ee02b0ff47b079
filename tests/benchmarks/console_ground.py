"""What the console's benchmarks look at: a million events, and all that the bridge did with them."""

import asyncpg

from eventstore.database import Database
from eventstore.store import EventStore
from tests.benchmarks.eventstore_read import fill
from tests.support.past import died, dispatched, ran, recorded

EVENTS = 1_000_000
LETTERS = 50_000
ROUTES = 20
CHAIN = 10
"""Runs one after another that the event of the event's page led to."""

# The last hour has 36,000 of them: ten a second. One of 500 is open.
_DISPATCHES = """
insert into dispatches (uid, position, route, route_digest, operation, key, target, request_id, call, state,
                        partition, attempts, planned_at, settled_at, run_id)
select uid, position, 'r' || position % $1, '', 'start', 'k' || position, 'w' || position, gen_random_uuid(), '{}',
       case when position % 500 = 0 then 'open' when position % 50 = 1 then 'dead' else 'done' end,
       position % 16, (position % 7 = 0)::int, planned_at,
       case when position % 500 > 0 then planned_at + interval '80 ms' end, 'run' || position
from (
    select *, now() - ($2 - position) * interval '100 ms' - interval '1 s' as planned_at from events
) as events
"""
_RUNS = """
insert into runs (run_id, workflow_id, latest, uid, route, noted_at, state, ended_at)
select run_id, target, run_id, uid, route, planned_at,
       case when position % 100 = 0 then 'open' else 'announced' end,
       case when position % 100 > 0 then planned_at + interval '2 s' end
from dispatches where state = 'done' and run_id like 'run%'
"""
_LETTERS = """
insert into dead_letters (stage, code, reason, route, uid, generation, stream, stream_created, sequence,
                          payload, event_id, event_source, event_type)
select case when n % 2 = 0 then 'intake' else 'dispatch' end, 'c' || n % 5,
       'workflow ''' || n || ''' is unknown to ' || chr(97 + n % 20), 'r' || n % $1, md5('event ' || n)::uuid, 1,
       'EVENTS', now(), n, convert_to('{"n": ' || n || '}', 'UTF8'), 'id ' || n, '/benchmark',
       'io.example.benchmark.happened.v1'
from generate_series(1, $2::int) n
"""
_ACTIONS = """
insert into audit (who, via, action, object, reason)
select 'ada', 'token', 'drop', 'dead letter ' || n, 'no longer wanted' from generate_series(1, 10000) n
"""
_REPLAYS = """
insert into replays (id, selection, target, incarnation, through, total, position, done, who)
select gen_random_uuid(), '{"where": {}}', '{"kind": "file", "path": "copy.ndjson"}', gen_random_uuid(), 1000, 1000, 0, n % 1000, 'ada'
from generate_series(1, 1000) n
"""


async def fill_all(url: str) -> None:
    """Fill an empty database with our tables."""
    database = await Database.connect(url, deadline=900)
    await fill(database, EVENTS, 100)
    await _fill_chain(database)
    await database.close()
    raw = await asyncpg.connect(url, command_timeout=900)
    await raw.execute(_DISPATCHES, ROUTES, EVENTS)
    await raw.execute(_RUNS)
    await raw.execute(_LETTERS, ROUTES, LETTERS)
    await raw.execute(_ACTIONS)
    await raw.execute(_REPLAYS)
    await raw.execute("vacuum analyze")
    await raw.close()


async def _fill_chain(database: Database) -> None:
    """An event that led to runs one after another, each by the result of the one before."""
    store = EventStore(database)
    cause = await recorded(store, "first", {"total": 1}, subject="order-4711")
    for number in range(CHAIN):
        run_id = f"chain-run-{number}"
        await dispatched(database, cause, f"r{number}", target=f"chain/{number}", run_id=run_id)
        await ran(database, cause, run_id, f"chain/{number}", f"r{number}", open=False)
        cause = await recorded(
            store,
            f"result-{number}",
            {"number": number},
            stream=f"run-chain/{number}",
            cause=cause,
        )
    await died(database, "the last one failed", id="first")
