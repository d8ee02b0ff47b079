"""What watches runs reads those that it looks for, however many are open."""

from collections.abc import Sequence

import pytest

from bridge.sql import STATEMENTS
from eventstore.database import Connection, Database
from tests.support.statements import PLANNINGS, rows_read

INSERT = """
insert into runs (run_id, workflow_id, latest, uid, route, state, ended_at)
select $2 || n, 'w' || n, 'l' || n, gen_random_uuid(), 'r', $3, case when $3 = 'open' then null else now() end
from generate_series(1, $1::int) n
"""


@pytest.mark.parametrize("planned", ["before they came", "for them"])
@pytest.mark.parametrize("statistics", ["none", "of settled rows", "that mislead"])
async def test_settling_a_few_runs_reads_those_and_not_all_that_are_open(
    database: Database, statistics: str, planned: str
) -> None:
    few = [f"run{n}" for n in range(1, 7)]
    # This comes first: after it, Postgres makes new plans.
    await database.execute("alter table runs set (autovacuum_enabled = false)")
    async with database.transaction() as connection:
        if planned == "before they came":
            await database.execute(INSERT, 60, "early", "announced")
            for _ in range(PLANNINGS):
                await settle(connection, few)
        await insert_runs(database, statistics)
        before = await rows_read(connection, "runs")
        await settle(connection, few)
        after = await rows_read(connection, "runs")
    ended = "select count(*) from runs where state <> 'open' and run_id = any ($1)"
    assert await database.fetchval(ended, few) == len(few)
    assert after - before <= 5 * len(few)


async def settle(connection: Connection, runs: Sequence[str]) -> None:
    count = len(runs)
    nothing = [None] * count
    await connection.fetchval(
        STATEMENTS["settle_runs"], runs, ["announced"] * count, runs, nothing, nothing
    )


async def insert_runs(database: Database, statistics: str) -> None:
    """Insert many open runs; the table was analysed before, or never."""
    if statistics == "of settled rows":
        await database.execute(INSERT, 2000, "old", "announced")
        await database.execute("analyze runs")
    await database.execute(INSERT, 2000, "run", "open")
    if statistics == "that mislead":
        await database.execute("analyze runs")
        await database.execute(
            "update pg_class set relpages = 1, reltuples = 1"
            " where relname in ('runs_due', 'runs_age', 'runs_latest')"
        )
