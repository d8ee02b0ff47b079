"""Each query of the query layer is served by an index, on tables that hold much."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from bridge.inspect.runs import MAX_ROWS, RunQuery, find_runs
from bridge.sql import STATEMENTS
from eventstore.database import Database

MANY = 20_000
_FILL = """
insert into dispatches (uid, position, route, route_digest, operation, key, target, request_id, call,
                        state, partition, planned_at, settled_at)
select gen_random_uuid(), n, 'r' || n % 7, '', 'start', 'k' || n, 't' || n, gen_random_uuid(), '{}',
       case when n % 100 = 0 then 'open' else 'done' end, 0, now() - n * interval '1 s',
       case when n % 100 > 0 then now() - n * interval '1 s' end
from generate_series(1, MANY) n;
insert into dispatches (uid, position, route, route_digest, operation, key, target, request_id, call,
                        state, partition, attempts)
select gen_random_uuid(), MANY + n, 'paused', '', 'start', 'p' || n, 'p' || n, gen_random_uuid(), '{}',
       'open', 0, (n % 1000 = 0)::int
from generate_series(1, MANY) n;
insert into dead_letters (stage, code, reason, stream, stream_created, sequence, state, closed_at, event_id)
select 'intake', 'decode', 'reason ' || n, 'E', now(), n,
       case when n % 100 = 0 then 'open' when n % 1000 = 1 then 'redriven' else 'dropped' end,
       case when n % 100 > 0 then now() end, 'e' || n
from generate_series(1, MANY) n;
insert into dead_letter_history (letter, what, who) select n, 'dropped', 'a' from generate_series(1, MANY) n;
insert into deliveries (stream, stream_created, sequence, topic, verdict, uid)
select 'E', now(), n, 't', 'matched', gen_random_uuid() from generate_series(1, MANY) n;
insert into runs (run_id, workflow_id, latest, uid, route, noted_at, state, ended_at)
select 'r' || n, 'w' || n, '', gen_random_uuid(), 'r', now() - n * interval '1 s',
       case when n % 1000 = 0 then 'open' else 'announced' end, case when n % 1000 > 0 then now() end
from generate_series(1, MANY) n;
insert into audit (who, via, action, object, reason)
select 'a', 'token', 'drop', 'letter ' || n, '' from generate_series(1, MANY) n;
"""


@pytest.fixture
async def filled(migrated_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database with many settled and paused dispatches, closed letters, runs and actions."""
    connection = await asyncpg.connect(migrated_database_url)
    await connection.execute(_FILL.replace("MANY", str(MANY)), timeout=120)
    await connection.execute("vacuum analyze", timeout=120)
    yield connection
    await connection.close()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


async def test_no_query_reads_a_whole_table(filled: asyncpg.Connection) -> None:
    hour = datetime.now(UTC) - timedelta(minutes=10)
    end = datetime.now(UTC) + timedelta(days=1)
    any_other = [None] * 7
    questions: list[tuple[str, list[object]]] = [
        ("outcomes_by_minute", [hour, 100_000]),
        ("times_by_route", [hour, 1_000]),
        ("pending_by_route", [1_000]),
        ("events_by_minute", [hour, 100_000]),
        ("stuck_lanes", [10_000, 20, 1_000]),
        ("dead_letter_failures", [100]),
        ("dead_letters_of_failure", ["intake", "decode", None, "reason …", 0, 50]),
        ("find_dead_letters", [None, "redriven", *any_other, 2**62, 50]),
        ("find_dead_letters", [None, "open", *any_other, 2**62, 50]),
        ("dead_letters_of_event", [[uuid4()], "e777"]),
        ("get_dead_letter", [777]),
        ("history_of_dead_letter", [777]),
        ("dispatches_of_events", [[uuid4()]]),
        ("deliveries_of_event", [uuid4()]),
        ("list_runs", [end, None, None, 50, 1_000]),
        ("list_runs", [end, "closed", "none", 50, 1_000]),
        ("runs_read_back_to", [end, 1_000]),
        ("list_open_runs", [end, None, 50]),
        ("list_open_runs", [end, "none", 50]),
        ("list_runs_of_workflow", ["t5", end, None, None, 50]),
        ("events_of_target", ["t5", 50]),
        ("list_replays", [50, None]),
        ("list_actions", [2**62, None, 50]),
        ("list_actions", [2**62, "letter 5", 50]),
        ("count_open_dispatches", [""]),
    ]
    await filled.execute("insert into pauses values ('route', 'paused', now(), 'a', '')")
    for name, arguments in questions:
        shown = await filled.fetchval(
            f"explain (analyze, format json) {STATEMENTS[name]}", *arguments
        )
        plan = json.loads(shown)[0]["Plan"]
        scanned = [
            each
            for each in nodes(plan)
            if each["Node Type"] == "Seq Scan"
            and each["Relation Name"] not in ("events", "replays", "pauses")
        ]
        assert not scanned, (name, scanned)
        read = max(each["Actual Rows"] for each in nodes(plan))
        assert read <= MANY / 10, (name, read)


async def test_a_search_for_runs_of_a_rare_route_reads_so_far_and_says_so(
    filled: asyncpg.Connection, database: Database
) -> None:
    page = await find_runs(database, RunQuery(route="none"), 50)
    assert (page.runs, page.more) == ([], None)
    await filled.execute(
        "insert into runs (run_id, workflow_id, latest, uid, route, noted_at)"
        " select 'm' || n, 'w', '', gen_random_uuid(), 'many', now() - n * interval '1 s'"
        " from generate_series(1, $1::int) n",
        MAX_ROWS,
        timeout=120,
    )
    page = await find_runs(database, RunQuery(route="none"), 50)
    assert page.runs == []
    assert page.more is not None
    assert not page.is_full
    rest = await find_runs(database, RunQuery(route="none"), 50, before=page.more)
    assert rest.more is None
