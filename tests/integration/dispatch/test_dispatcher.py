"""The dispatcher over a real table: order by key, whatever fails, is slow or is full."""

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

import pytest
from typing_extensions import override

from bridge.dispatch import settler, taker
from bridge.dispatch.ledger import Crowded, Ledger, Settlement
from bridge.operations.base import Dispatch
from bridge.routes.table import RouteTable
from bridge.telemetry import NO_TELEMETRY, Telemetry
from eventstore.database import Database
from eventstore.leases import Lease
from eventstore.store import EventStore
from tests.support.daemon_parts import (
    REFUSED,
    UNAVAILABLE,
    Parts,
    ScriptedTemporal,
    route,
    running,
)
from tests.support.waiting import eventually


async def settled(parts: Parts, **expected: int) -> None:
    async def look() -> bool:
        assert await parts.states() == expected
        return True

    await eventually(look, within=30, what=f"{expected}")


async def test_a_failing_key_waits_in_its_lane_and_the_others_go_on(
    parts: Parts, temporal: ScriptedTemporal
) -> None:
    temporal.failing["bad"].extend([UNAVAILABLE] * 2)
    await parts.plan(("bad", 1), ("good", 1), ("bad", 2), ("good", 2), ("bad", 3))
    async with running(parts.dispatcher()):
        await settled(parts, done=5)
    assert temporal.numbers("good") == [1, 2]
    assert temporal.numbers("bad") == [1, 2, 3]
    assert temporal.effects[-1].key == "bad"
    first, *others = [row for row in await parts.rows() if row["key"] == "bad"]
    assert first["attempts"] == 3
    assert [row["attempts"] for row in others] == [1, 1]


async def test_no_more_calls_are_under_way_than_the_pace_allows(
    parts: Parts, temporal: ScriptedTemporal
) -> None:
    temporal.seconds = lambda _call: 0.01
    await parts.plan(*((f"k{number}", 1) for number in range(40)))
    bounded = parts.dispatcher(in_flight=3, least_in_flight=3, most_in_flight=3)
    async with running(bounded):
        await settled(parts, done=40)
    assert temporal.most_at_once == 3


async def test_what_is_refused_for_good_makes_room_for_the_next_of_its_key(
    parts: Parts, temporal: ScriptedTemporal
) -> None:
    temporal.failing["k"].append(REFUSED)
    await parts.plan(("k", 1), ("k", 2))
    async with running(parts.dispatcher()):
        await settled(parts, dead=1, done=1)
    assert temporal.numbers("k") == [2]
    (letter,) = await parts.database.fetch("select * from dead_letters")
    assert (letter["stage"], letter["code"], letter["attempts"]) == ("dispatch", "permanent", 1)


class SlowLedger(Ledger):
    """Holds back what it has read, as a slow connection does."""

    def __init__(self, database: Database, store: EventStore, daemon: str) -> None:
        super().__init__(database, store, daemon)
        self.read = asyncio.Event()
        self.pass_on = asyncio.Event()
        self.armed = False

    @override
    async def take(
        self,
        partitions: Sequence[int],
        in_hand: Sequence[int],
        crowded: Crowded,
        most: int,
        most_bytes: int,
    ) -> list[Dispatch]:
        taken = await super().take(partitions, in_hand, crowded, most, most_bytes)
        if self.armed and taken:
            self.armed = False
            self.read.set()
            await self.pass_on.wait()
        return taken


async def test_what_was_read_before_its_predecessor_failed_does_not_overtake_it(
    parts: Parts, temporal: ScriptedTemporal
) -> None:
    made: list[SlowLedger] = []

    def ledger(database: Database, store: EventStore, daemon: str) -> Ledger:
        made.append(SlowLedger(database, store, daemon))
        return made[-1]

    dispatcher = parts.dispatcher(ledger=ledger)
    (slow,) = made
    temporal.held["k"] = asyncio.Event()
    temporal.failing["k"].append(UNAVAILABLE)
    await parts.plan(("k", 1))
    async with running(dispatcher):
        await eventually(lambda: len(temporal.arrived) == 1)
        slow.armed = True
        await parts.plan(("k", 2))
        dispatcher.wake(1)
        # The second is read while the first is in hand, and handed over when it has failed.
        await asyncio.wait_for(slow.read.wait(), 10)
        temporal.held["k"].set()

        async def failed() -> bool:
            return bool((await parts.rows())[0]["attempts"] == 1)

        await eventually(failed)
        slow.pass_on.set()
        await settled(parts, done=2)
    assert temporal.numbers("k") == [1, 2]


async def test_what_is_planned_while_the_table_is_read_is_taken_at_once(
    parts: Parts, temporal: ScriptedTemporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that nothing but the word of it has the table read again.
    monkeypatch.setattr(taker, "POLL_SECONDS", 3600)
    made: list[SlowLedger] = []

    def ledger(database: Database, store: EventStore, daemon: str) -> Ledger:
        made.append(SlowLedger(database, store, daemon))
        return made[-1]

    dispatcher = parts.dispatcher(ledger=ledger)
    (slow,) = made
    async with running(dispatcher):
        slow.armed = True
        await parts.plan(("a", 1))
        dispatcher.wake(1)
        await asyncio.wait_for(slow.read.wait(), 10)
        await parts.plan(("b", 2))
        dispatcher.wake(1)
        slow.pass_on.set()
        await settled(parts, done=2)
    assert (temporal.numbers("a"), temporal.numbers("b")) == ([1], [2])


async def test_a_long_lane_does_not_hold_up_the_others(
    parts: Parts, temporal: ScriptedTemporal
) -> None:
    temporal.held["hot"] = asyncio.Event()
    for start in range(0, 3000, 500):
        await parts.plan(*(("hot", start + number) for number in range(500)))
    await parts.plan(("cool", 1))
    async with running(parts.dispatcher()):
        await eventually(lambda: temporal.numbers("cool") == [1], what="the other lane's turn")
        assert temporal.numbers("hot") == []
        temporal.held["hot"].set()


@pytest.mark.slow
async def test_a_route_with_a_limit_does_not_hold_up_the_others(
    parts: Parts, temporal: ScriptedTemporal
) -> None:
    slow = route("slow", when="data.number < 10000", max_in_flight=1)
    quick = route("quick", when="data.number >= 10000")
    parts.routes = RouteTable([slow, quick])
    temporal.seconds = lambda call: 0.5 if call.route == "slow" else 0.0
    for start in range(0, 3000, 500):
        await parts.plan(*((f"s{start + number}", number) for number in range(500)))
    await parts.plan(("quick", 10_000))
    async with running(parts.dispatcher()):
        await eventually(lambda: temporal.numbers("quick") == [10_000], what="the other route")
        assert len(temporal.effects) < 40


async def test_stopping_finishes_what_is_in_flight_and_writes_it_down(
    parts: Parts, temporal: ScriptedTemporal
) -> None:
    temporal.seconds = lambda _call: 0.05
    await parts.plan(*((f"k{number}", number) for number in range(300)))
    async with running(parts.dispatcher()):
        await eventually(lambda: len(temporal.effects) > 50)
    done = (await parts.states())["done"]
    assert done == len(temporal.effects) == len(temporal.arrived)


async def test_what_breaks_off_in_our_own_hands_is_taken_again(
    parts: Parts, temporal: ScriptedTemporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Telemetry.called
    broken = [True]

    def called(self: Telemetry, *details: Any) -> None:
        if broken:
            raise ZeroDivisionError(broken.pop())
        told(self, *details)

    monkeypatch.setattr(type(NO_TELEMETRY), "called", called)
    await parts.plan(("key", 0), ("key", 1))
    async with running(parts.dispatcher()):
        await settled(parts, done=2)
    assert temporal.numbers("key") == [0, 1]
    assert not broken


class Watched(Ledger):
    """Remembers how many settlements were written together."""

    groups: ClassVar[list[int]] = []

    @override
    async def settle(self, settlements: Sequence[Settlement], leases: Sequence[Lease]) -> int:
        self.groups.append(len(settlements))
        return await super().settle(settlements, leases)


async def test_what_is_settled_waits_for_company_as_long_as_others_can_be_called(
    parts: Parts, temporal: ScriptedTemporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settler, "LINGER_SECONDS", 3600)
    monkeypatch.setattr(Watched, "groups", [])
    temporal.seconds = lambda _call: 0.01
    await parts.plan(*((f"k{number}", 1) for number in range(12)))
    bounded = parts.dispatcher(ledger=Watched, in_flight=3, least_in_flight=3, most_in_flight=3)
    async with running(bounded):
        await settled(parts, done=12)
    # The last three have begun before anything was written.
    assert Watched.groups[0] >= 12 - 3
    assert sum(Watched.groups) == 12


async def test_what_a_lane_waits_for_is_written_at_once(
    parts: Parts, temporal: ScriptedTemporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settler, "LINGER_SECONDS", 3600)
    await parts.plan(*(("key", number) for number in range(5)))
    async with running(parts.dispatcher()):
        await settled(parts, done=5)
    assert temporal.numbers("key") == [0, 1, 2, 3, 4]


class SlowlyWritten(Ledger):
    """Takes its time to write."""

    def __init__(self, database: Database, store: EventStore, daemon: str) -> None:
        super().__init__(database, store, daemon)
        self.writing = asyncio.Event()

    @override
    async def settle(self, settlements: Sequence[Settlement], leases: Sequence[Lease]) -> int:
        self.writing.set()
        await asyncio.sleep(0.3)
        return await super().settle(settlements, leases)


async def test_stopping_waits_for_the_group_that_is_being_written(parts: Parts) -> None:
    made: list[SlowlyWritten] = []

    def ledger(database: Database, store: EventStore, daemon: str) -> Ledger:
        made.append(SlowlyWritten(database, store, daemon))
        return made[-1]

    dispatcher = parts.dispatcher(ledger=ledger)
    await parts.plan(("k", 1), ("l", 1))
    async with running(dispatcher):
        await asyncio.wait_for(made[0].writing.wait(), 10)
    assert await parts.states() == {"done": 2}


async def test_two_dispatchers_share_the_work_and_call_nothing_twice(
    parts: Parts, temporal: ScriptedTemporal
) -> None:
    await parts.plan(*((f"k{number % 40}", number) for number in range(400)))
    async with running(parts.dispatcher("one"), parts.dispatcher("two")):
        await settled(parts, done=400)
    assert len(temporal.arrived) == 400
    for key in {each.key for each in temporal.effects}:
        assert temporal.numbers(key) == sorted(temporal.numbers(key))


@pytest.mark.slow
async def test_a_bug_of_ours_is_quarantined_with_its_traceback_and_the_others_go_on(
    parts: Parts,
) -> None:
    await parts.plan(("broken", 1), ("good", 1))
    await parts.database.execute(
        "update dispatches set operation = 'no-such-operation' where key = 'broken'"
    )
    async with running(parts.dispatcher()):
        await settled(parts, dead=1, done=1)
    (letter,) = await parts.database.fetch("select * from dead_letters")
    assert (letter["code"], letter["attempts"]) == ("unexplained", 5)
    assert "KeyError" in letter["traceback"]
