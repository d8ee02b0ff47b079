"""A redrive does all of it or nothing, by today's routes, and says why where it cannot."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bridge.dead_letters.store import DeadLetters, WholeLetter
from bridge.evaluation import Evaluator
from bridge.history.redrive import Redriver
from bridge.relay.late import LateRelay
from bridge.routes.table import RouteTable
from eventstore.database import Database, Row
from eventstore.events import uid
from eventstore.store import EventStore
from tests.integration.dead_letters.builders import (
    TOPIC,
    delivery,
    order,
    record,
    routes,
    set_aside,
)
from tests.support.cli import NTBRIDGE, environment, ntbridge
from tests.support.daemon import Bridge

pytestmark = pytest.mark.slow

Redrivers = Callable[[RouteTable], Redriver]


@pytest.fixture
def redriver(bridge: Bridge, database: Database, store: EventStore) -> Redrivers:
    settings = bridge.settings
    late = LateRelay(database, store, settings.nats)

    def made(table: RouteTable) -> Redriver:
        return Redriver(
            database, store, table, Evaluator(), max_hops=16, late=late, who="tester"
        )

    return made


async def dispatches(database: Database) -> list[Row]:
    return await database.fetch("select * from dispatches order by id")


async def letter(database: Database, number: int) -> WholeLetter:
    found = await DeadLetters(database).get(number)
    assert found is not None
    return found


async def counts(database: Database) -> tuple[int, ...]:
    tables = ("events", "dispatches", "dead_letters", "dead_letter_history")
    return tuple([await database.fetchval(f"select count(*) from {table}") for table in tables])


async def test_what_can_be_read_today_is_recorded_and_planned(
    redriver: Redrivers, database: Database, store: EventStore, tmp_path: Path
) -> None:
    arrival = delivery(7, order(1))
    [number] = await set_aside(database, arrival)
    result = await redriver(routes(tmp_path, "ship", "bill")).redrive(number)
    assert result.outcome == "redriven", result.detail
    stored = await store.get(uid("/shop", "order-1"))
    assert stored is not None
    assert stored.topic == TOPIC
    assert [row["route"] for row in await dispatches(database)] == ["ship", "bill"]
    closed = await letter(database, number)
    assert (closed.state, closed.uid) == ("redriven", stored.uid)
    [deed] = await DeadLetters(database).history(number)
    assert (deed.what, deed.who) == ("redriven", "tester")
    assert (await redriver(routes(tmp_path, "ship")).redrive(number)).outcome == "not-open"


async def test_a_try_out_changes_nothing(
    redriver: Redrivers, database: Database, tmp_path: Path
) -> None:
    [number] = await set_aside(database, delivery(7, order(1)))
    before = await counts(database)
    result = await redriver(routes(tmp_path, "ship")).try_out(number)
    assert result.outcome == "would-redrive"
    assert "ship (start ship/" in result.detail
    assert await counts(database) == before
    assert (await letter(database, number)).state == "open"


async def test_an_event_that_came_again_meanwhile_is_not_planned_twice(
    redriver: Redrivers, database: Database, store: EventStore, tmp_path: Path
) -> None:
    table = routes(tmp_path, "ship")
    [number] = await set_aside(database, delivery(7, order(1)))
    assert await record(database, store, table, delivery(8, order(1))) == ["matched"]
    result = await redriver(table).redrive(number)
    assert result.outcome == "redriven"
    assert "recorded before" in result.detail
    assert len(await dispatches(database)) == 1


@pytest.mark.parametrize(
    ("payload", "says"),
    [(b"{", "json: "), (order(1, data={"number": 2}), "under a new id")],
    ids=["unreadable", "conflict"],
)
async def test_what_still_fails_stays_open_and_notes_why(
    redriver: Redrivers,
    database: Database,
    store: EventStore,
    tmp_path: Path,
    payload: bytes,
    says: str,
) -> None:
    table = routes(tmp_path, "ship")
    await record(database, store, table, delivery(1, order(1)))
    [number] = await set_aside(database, delivery(7, payload))
    result = await redriver(table).redrive(number)
    assert result.outcome == "left-open"
    assert says in result.detail
    assert (await letter(database, number)).state == "open"
    [deed] = await DeadLetters(database).history(number)
    assert (deed.what, deed.detail) == ("left-open", result.detail)


async def test_a_dead_dispatch_is_planned_again_as_a_new_generation(
    redriver: Redrivers, database: Database, store: EventStore, tmp_path: Path
) -> None:
    broken = routes(tmp_path, "ship", key="data.nothing")
    await record(database, store, broken, delivery(1, order(1)))
    [row] = await database.fetch("select id from dead_letters")
    number = row["id"]

    unmended = await redriver(broken).redrive(number)
    assert "fails on the event" in unmended.detail
    gone = await redriver(routes(tmp_path, "bill")).redrive(number)
    assert "route 'ship' no longer exists" in gone.detail
    picky = await redriver(routes(tmp_path, "ship", when="false")).redrive(number)
    assert "does not match" in picky.detail
    assert {each.outcome for each in (unmended, gone, picky)} == {"left-open"}
    assert len(await dispatches(database)) == 1

    mended = routes(tmp_path, "ship")
    both = await asyncio.gather(
        redriver(mended).redrive(number), redriver(mended).redrive(number)
    )
    assert sorted(each.outcome for each in both) == ["not-open", "redriven"]
    first, second = await dispatches(database)
    assert (first["generation"], second["generation"]) == (1, 2)
    assert (first["state"], second["state"]) == ("dead", "open")
    assert first["request_id"] != second["request_id"]
    assert first["position"] == second["position"]


async def test_a_letter_of_an_earlier_generation_dispatches_nothing(
    redriver: Redrivers, database: Database, store: EventStore, tmp_path: Path
) -> None:
    await record(
        database, store, routes(tmp_path, "ship", key="data.nothing"), delivery(1, order(1))
    )
    [row] = await database.fetch("select id from dead_letters")
    await redriver(routes(tmp_path, "ship")).redrive(row["id"])
    await database.execute("update dead_letters set state = 'open', closed_at = null")
    result = await redriver(routes(tmp_path, "ship")).redrive(row["id"])
    assert result.outcome == "left-open"
    assert "generation 2 of this dispatch is open" in result.detail
    assert len(await dispatches(database)) == 2


async def test_killed_in_the_middle_each_letter_is_open_or_has_had_its_effect(
    bridge: Bridge, database: Database, tmp_path: Path
) -> None:
    arrivals = [delivery(number, order(number)) for number in range(1, 301)]
    await set_aside(database, *arrivals)
    routes(tmp_path, "ship")
    arguments = ("dead-letters", "redrive", "--all", "--yes")
    env = {**bridge.environment, "NTBRIDGE_ROUTES": str(tmp_path / "some-routes.yaml")}
    process = await asyncio.create_subprocess_exec(
        *NTBRIDGE,
        *arguments,
        env=environment(env),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    for _ in range(25):
        assert await process.stdout.readline()
    process.kill()
    await process.communicate()

    assert await redriven_and_stored(database) is None
    done: Any = await ntbridge(*arguments, cwd=tmp_path, env=env)
    assert done.code == 0, done.err
    assert await redriven_and_stored(database) is None
    planned = [row["generation"] for row in await dispatches(database)]
    assert planned == [1] * len(arrivals)


async def redriven_and_stored(database: Database) -> list[Row] | None:
    """The letters that are closed without their effect, or open with it; None if there are none."""
    rows = await database.fetch(
        "select l.id, l.state, e.uid, d.id from dead_letters l "
        "left join event_attributes e on e.id = l.event_id left join dispatches d on d.uid = e.uid "
        "where (l.state = 'redriven') <> (e.uid is not null and d.id is not null)"
    )
    return rows or None
