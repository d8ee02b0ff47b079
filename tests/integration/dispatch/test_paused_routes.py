"""A paused route: its lanes hold, over restarts and many daemons; other lanes go on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.pauses import PauseKind, Pauses, PauseWatch
from bridge.routes.table import RouteTable
from eventstore.database import Database
from tests.support.daemon_parts import Parts, ScriptedTemporal, route, running
from tests.support.waiting import eventually

WHO = {"who": "ada@host", "via": "command line", "reason": "billing is down"}
ROUTE: PauseKind = "route"


@asynccontextmanager
async def watching(database: Database) -> AsyncIterator[PauseWatch]:
    watch = PauseWatch(Pauses(database), every=0.05)
    await watch.start()
    try:
        yield watch
    finally:
        await watch.stop()


async def settled(parts: Parts, **expected: int) -> None:
    async def look() -> bool:
        assert await parts.states() == expected
        return True

    await eventually(look, what=f"{expected}")


def two_routes(parts: Parts) -> None:
    """Every event is for `shop`; those with the number 2 also for `billing`."""
    parts.routes = RouteTable(
        [route("shop"), route("billing", when="data.number == 2.0")],
    )


async def test_lanes_of_a_paused_route_hold_and_the_others_go_on(
    parts: Parts, database: Database, temporal: ScriptedTemporal
) -> None:
    two_routes(parts)
    pauses = Pauses(database)
    assert await pauses.pause(ROUTE, "billing", **WHO)
    assert not await pauses.pause(ROUTE, "billing", **WHO)
    await parts.plan(("a", 1), ("a", 2), ("a", 3), ("b", 1), ("b", 3))
    async with watching(database) as watch, running(parts.dispatcher(paused=watch)):
        # Before the paused dispatch of lane "a" there are two of `shop`.
        await settled(parts, done=4, open=2)
        assert [each.number for each in temporal.effects if each.key == "a"] == [1, 2]
        assert temporal.numbers("b") == [1, 3]
        open_rows = [row for row in await parts.rows() if row["state"] == "open"]
        assert [(row["route"], row["attempts"]) for row in open_rows] == [
            ("billing", 0),
            ("shop", 0),
        ]
        assert await pauses.resume(ROUTE, "billing", **WHO)
        await settled(parts, done=6)
    assert [(each.route, each.number) for each in temporal.effects if each.key == "a"] == [
        ("shop", 1),
        ("shop", 2),
        ("billing", 2),
        ("shop", 3),
    ]
    actions = await database.fetch("select action, object, who, reason from audit order by id")
    assert [tuple(row) for row in actions] == [
        ("pause", "route billing", "ada@host", "billing is down"),
        ("resume", "route billing", "ada@host", "billing is down"),
    ]


async def test_a_pause_during_a_call_lets_it_end_and_holds_what_is_in_memory(
    parts: Parts, database: Database, temporal: ScriptedTemporal
) -> None:
    temporal.held["a"] = asyncio.Event()
    await parts.plan(*(("a", number) for number in range(1, 6)))
    pauses = Pauses(database)
    async with watching(database) as watch, running(parts.dispatcher(paused=watch)):
        await eventually(lambda: temporal.arrived)
        await pauses.pause(ROUTE, "shop", **WHO)
        await eventually(lambda: watch.held and watch.held.routes)
        temporal.held["a"].set()
        await settled(parts, done=1, open=4)
        await pauses.resume(ROUTE, "shop", **WHO)
        await settled(parts, done=5)
    assert temporal.numbers("a") == [1, 2, 3, 4, 5]
    assert len(temporal.arrived) == 5


async def test_a_pause_survives_restarts_and_binds_every_daemon(
    parts: Parts, database: Database, temporal: ScriptedTemporal
) -> None:
    pauses = Pauses(database)
    await pauses.pause(ROUTE, "shop", **WHO)
    await parts.plan(*((f"k{number}", 1) for number in range(20)))
    for _ in range(2):
        async with watching(database) as one, watching(database) as two:
            first = parts.dispatcher("one", paused=one)
            second = parts.dispatcher("two", paused=two)
            async with running(first, second):
                await eventually(lambda: one.held and two.held)
                await eventually(lambda: first.ownership.held and second.ownership.held)  # noqa: B023
    assert temporal.arrived == []
    assert await parts.states() == {"open": 20}
    # Intake does not wait for what is paused.
    assert (await parts.backlog()).dispatches == 0
    await pauses.resume(ROUTE, "shop", **WHO)
    async with watching(database) as watch, running(parts.dispatcher("three", paused=watch)):
        await settled(parts, done=20)
    assert len(temporal.arrived) == 20


async def test_nothing_is_called_before_the_pauses_are_known(
    parts: Parts, temporal: ScriptedTemporal
) -> None:
    class Unknown:
        held = None

    await parts.plan(("a", 1))
    dispatcher = parts.dispatcher(paused=Unknown())
    async with running(dispatcher):
        await eventually(lambda: dispatcher.ownership.held)
        dispatcher.wake()
        await eventually(lambda: dispatcher.backlog.dispatches == 1)
    assert temporal.arrived == []
