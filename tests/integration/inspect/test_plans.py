"""Each query of the query layer is served by an index, on tables that hold much."""

import json
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from bridge.sql import STATEMENTS

MANY = 20_000
_FILL = """
insert into dispatches (uid, position, route, route_digest, operation, key, target, request_id, call,
                        state, partition, planned_at, settled_at)
select gen_random_uuid(), n, 'r' || n % 7, '', 'start', 'k' || n, 't' || n, gen_random_uuid(), '{}',
       case when n % 100 = 0 then 'open' else 'done' end, 0, now() - n * interval '1 s',
       case when n % 100 > 0 then now() - n * interval '1 s' end
from generate_series(1, MANY) n;
insert into dead_letters (stage, code, reason, stream, stream_created, sequence, state, closed_at)
select 'intake', 'decode', 'reason ' || n, 'E', now(), n,
       case when n % 100 = 0 then 'open' else 'dropped' end, case when n % 100 > 0 then now() end
from generate_series(1, MANY) n;
insert into runs (run_id, workflow_id, latest, uid, route, noted_at)
select 'r' || n, 'w' || n, '', gen_random_uuid(), 'r', now() - n * interval '1 s'
from generate_series(1, MANY) n;
insert into audit (who, via, action, object, reason)
select 'a', 'token', 'drop', 'letter ' || n, '' from generate_series(1, MANY) n;
"""


@pytest.fixture
async def filled(migrated_database_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database with many settled dispatches, closed letters, runs and actions."""
    connection = await asyncpg.connect(migrated_database_url)
    await connection.execute(_FILL.replace("MANY", str(MANY)), timeout=60)
    await connection.execute("vacuum analyze", timeout=60)
    yield connection
    await connection.close()


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", ()):
        yield from nodes(below)


async def test_no_query_reads_a_whole_table(filled: asyncpg.Connection) -> None:
    hour = datetime.now(UTC) - timedelta(minutes=10)
    end = datetime.now(UTC) + timedelta(days=1)
    questions: list[tuple[str, list[object]]] = [
        ("outcomes_by_minute", [hour, 100_000]),
        ("outcomes_by_route", [hour, 100_000]),
        ("pending_by_route", [100_000]),
        ("events_by_minute", [hour, 100_000]),
        ("stuck_lanes", [100_000, 20]),
        ("dead_letter_failures", [100]),
        ("dead_letters_of_failure", ["intake", "decode", None, "reason …", 0, 50]),
        ("list_runs", [end, None, None, None, 50]),
        ("list_runs", [end, "open", None, "t5", 50]),
        ("events_of_target", ["t5", 50]),
        ("list_replays", [50]),
        ("list_actions", [2**62, None, 50]),
        ("list_actions", [2**62, "letter 5", 50]),
    ]
    for name, arguments in questions:
        shown = await filled.fetchval(
            f"explain (analyze, format json) {STATEMENTS[name]}", *arguments
        )
        plan = json.loads(shown)[0]["Plan"]
        scanned = [
            each
            for each in nodes(plan)
            if each["Node Type"] == "Seq Scan"
            and each["Relation Name"] not in ("events", "replays")
        ]
        assert not scanned, (name, scanned)
        read = max(each["Actual Rows"] for each in nodes(plan))
        assert read <= MANY / 10, (name, read)
