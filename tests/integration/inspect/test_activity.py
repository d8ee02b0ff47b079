"""The last hour by minute and route, what is pending, stuck lanes, runs, and the audit."""

from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from bridge.inspect.activity import Activity
from bridge.inspect.audit import Audit
from bridge.inspect.last_hour import LastHour
from bridge.inspect.runs import RunQuery, find_runs
from eventstore.database import Database
from eventstore.store import EventStore
from tests.support.past import dispatched, ran, recorded


async def test_outcomes_of_the_last_hour_by_route_and_minute(
    database: Database, store: EventStore
) -> None:
    event = await recorded(store, "order-1")
    await dispatched(database, event, "orders", state="done")
    await dispatched(database, event, "stock", state="dead", error="no")
    await dispatched(database, event, "old", ago=timedelta(hours=2))
    activity = Activity(database)
    hour = await LastHour(activity).read(datetime.now(UTC))
    outcomes = {each.route: each for each in hour.routes}
    assert set(outcomes) == {"orders", "stock"}
    assert (outcomes["orders"].done, outcomes["stock"].dead) == (1, 1)
    assert outcomes["orders"].median == pytest.approx(0.05, abs=0.01)
    assert sorted((each.route, each.state) for each in hour.outcomes) == [
        ("orders", "done"),
        ("stock", "dead"),
    ]
    assert sum(each.events for each in hour.events) == 1


async def test_a_lane_is_stuck_when_its_first_dispatch_failed_or_waits(
    database: Database, store: EventStore
) -> None:
    events = [await recorded(store, f"order-{number}") for number in range(4)]
    await dispatched(database, events[0], state="open", key="a", attempts=3, error="no worker")
    await dispatched(database, events[1], state="open", key="a", attempts=0)
    await dispatched(database, events[2], state="waiting", key="b", target="w", attempts=0)
    await dispatched(database, events[3], state="open", key="c", attempts=0)
    activity = Activity(database)
    first, second = await activity.stuck_lanes(10)
    assert (first.key, first.dispatches, first.error, first.event_id) == (
        "a",
        2,
        "no worker",
        "order-0",
    )
    assert (second.key, second.waits_for) == ("b", "workflow w to start")
    [pending] = await activity.pending_by_route()
    assert (pending.open, pending.waiting) == (3, 1)


async def test_runs_are_listed_by_state_route_and_workflow(
    database: Database, store: EventStore
) -> None:
    event = await recorded(store, "order-1")
    await ran(database, event, "r1", "w1", "orders")
    await ran(database, event, "r2", "w2", "stock", open=False)
    await dispatched(database, event, "orders", target="w1", run_id="r1")

    async def found(query: RunQuery) -> list[str]:
        return [each.run_id for each in (await find_runs(database, query, 10)).runs]

    assert await found(RunQuery()) == ["r2", "r1"]
    assert await found(RunQuery(state="open")) == ["r1"]
    assert await found(RunQuery(state="closed")) == ["r2"]
    assert await found(RunQuery(route="stock")) == ["r2"]
    assert await found(RunQuery(workflow="w1")) == ["r1"]
    first = await find_runs(database, RunQuery(), 1)
    assert first.is_full
    rest = await find_runs(database, RunQuery(), 9, before=first.more)
    assert [each.run_id for each in rest.runs] == ["r1"]
    assert (rest.more, rest.is_full) == (None, False)


async def test_the_audit_keeps_who_did_what_and_cannot_be_changed(
    database: Database, migrated_database_url: str
) -> None:
    audit = Audit(database)
    await audit.record(
        who="ada", via="token", action="drop", on="dead letter 1", reason="a test\0"
    )
    await audit.record(
        who="bob", via="proxy", action="redrive", on="dead letter 2", reason="again"
    )
    assert [each.who for each in await audit.latest(10)] == ["bob", "ada"]
    [mine] = await audit.latest(10, on="dead letter 1")
    assert (mine.reason, mine.action, mine.via) == ("a test\\0", "drop", "token")
    connection = await asyncpg.connect(migrated_database_url)
    try:
        for statement in ("update audit set who = 'x'", "delete from audit", "truncate audit"):
            with pytest.raises(asyncpg.PostgresError, match="the audit is immutable"):
                await connection.execute(statement)
    finally:
        await connection.close()
