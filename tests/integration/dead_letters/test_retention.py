"""What is settled is removed after its time; what was decided stays decided."""

from pathlib import Path

import pytest

from bridge.history.retention import Retention
from bridge.settings.schema import RetentionSettings
from eventstore.database import Database
from eventstore.store import EventStore
from tests.integration.dead_letters.builders import delivery, emit, order, record, routes

pytestmark = pytest.mark.slow

LONG_AGO = "clock_timestamp() - interval '40 days'"
A_MONTH = 30 * 24 * 3600.0


async def sweep(
    database: Database, dispatches: float | None = A_MONTH, deliveries: float | None = A_MONTH
) -> None:
    settings = RetentionSettings(dispatches=dispatches, deliveries=deliveries)
    await Retention(database, settings).sweep()


async def age(database: Database, state: str = "done") -> None:
    """Make everything old, and settle what is open."""
    await database.execute(
        f"update dispatches set planned_at = {LONG_AGO}, settled_at = {LONG_AGO}, "
        "state = case when state = 'open' then $1 else state end",
        state,
    )
    await database.execute(f"update deliveries set recorded_at = {LONG_AGO}")


async def count(database: Database, table: str) -> int:
    return int(await database.fetchval(f"select count(*) from {table}"))


async def test_a_repeat_long_after_its_dispatch_was_removed_plans_nothing(
    database: Database, store: EventStore, tmp_path: Path
) -> None:
    table = routes(tmp_path, "ship", "bill")
    arrivals = [delivery(number, order(number)) for number in range(1, 4)]
    await record(database, store, table, *arrivals)
    await age(database)
    await sweep(database)
    assert await count(database, "dispatches") == 0
    # The last delivery stays: from it a lost consumer is made anew.
    assert [row["sequence"] for row in await database.fetch("select * from deliveries")] == [3]

    assert await record(database, store, table, *arrivals) == ["repeat"] * 3
    assert await count(database, "dispatches") == 0
    assert await count(database, "events") == 3


async def test_what_is_young_or_not_settled_stays(
    database: Database, store: EventStore, tmp_path: Path
) -> None:
    table = routes(tmp_path, "ship")
    await record(database, store, table, delivery(1, order(1)))
    await age(database)
    await record(database, store, table, delivery(2, order(2)), delivery(3, order(3)))
    await database.execute(f"update dispatches set planned_at = {LONG_AGO} where id = 2")
    await sweep(database)
    left = await database.fetch("select id, state from dispatches order by id")
    assert [(row["id"], row["state"]) for row in left] == [(2, "open"), (3, "open")]
    assert await count(database, "deliveries") == 2


async def test_by_default_everything_is_kept(
    database: Database, store: EventStore, tmp_path: Path
) -> None:
    await record(database, store, routes(tmp_path, "ship"), delivery(1, order(1)))
    await age(database)
    await Retention(database, RetentionSettings()).sweep()
    assert await count(database, "dispatches") == 1


async def test_a_dispatch_whose_letter_is_open_and_later_generations_stay(
    database: Database, store: EventStore, tmp_path: Path
) -> None:
    await record(
        database,
        store,
        routes(tmp_path, "ship", key="data.nothing"),
        delivery(1, order(1)),
        delivery(2, order(2)),
    )
    await age(database)
    await sweep(database)
    assert await count(database, "dispatches") == 2
    await database.execute(
        "update dead_letters set state = 'dropped', closed_at = now() where id = 1"
    )
    await database.execute(
        "insert into dispatches (uid, position, route, route_digest, generation, operation, key, "
        "target, request_id, call, partition, state, settled_at) "
        "select uid, position, route, route_digest, 2, operation, key, target, "
        f"gen_random_uuid(), call, partition, 'done', {LONG_AGO} from dispatches where id = 2"
    )
    await database.execute(
        "update dead_letters set state = 'redriven', closed_at = now() where id = 2"
    )
    await sweep(database)
    left = await database.fetch("select generation from dispatches order by id")
    assert [row["generation"] for row in left] == [1, 2]


async def test_deliveries_of_events_emitted_here_stay(
    database: Database, store: EventStore, tmp_path: Path
) -> None:
    stored = await emit(store, 1)
    await database.execute(
        "insert into deliveries (stream, stream_created, sequence, topic, verdict, uid) "
        "select 'RESULTS', '2024-05-01', number, 'results.a.b', 'matched', "
        "case number when 1 then $1::uuid end from generate_series(1, 3) as number",
        stored.uid,
    )
    await record(database, store, routes(tmp_path, "ship"), delivery(1, order(1)))
    await age(database)
    await sweep(database, dispatches=None)
    left = await database.fetch("select stream, sequence from deliveries order by 1, 2")
    assert [tuple(row.values()) for row in left] == [
        ("EVENTS", 1),
        ("RESULTS", 1),
        ("RESULTS", 3),
    ]


async def test_many_batches_are_swept(database: Database) -> None:
    await database.execute(
        "insert into deliveries (stream, stream_created, sequence, topic, verdict, recorded_at) "
        "select stream, '2024-05-01', number, 'events.a.b', 'unmatched', "
        f"case when number <= 1200 then {LONG_AGO} else clock_timestamp() end "
        "from generate_series(1, 2000) as number, unnest(array['A', 'B']) as stream"
    )
    await sweep(database)
    assert await count(database, "deliveries") == 1600
