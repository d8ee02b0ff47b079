"""From intake's memory to a call: only what nothing precedes; everything else by the table."""

import asyncio
import random
from datetime import UTC, datetime

import pytest
from msgspec import structs

from bridge.dispatch import taker
from bridge.dispatch.ledger import Crowded
from bridge.dispatch.partitions import partition_of
from bridge.pauses import Held, Pause
from bridge.routes.table import RouteTable
from eventstore.database import Database
from tests.integration.dispatch.test_dispatcher import settled
from tests.support.daemon_parts import (
    TYPE,
    UNAVAILABLE,
    Parts,
    ScriptedTemporal,
    route,
    running,
)
from tests.support.handing_over import counting, empty, record, recording
from tests.support.waiting import eventually

SINCE = datetime(2024, 5, 1, tzinfo=UTC)


async def test_what_nothing_precedes_is_called_without_a_read(
    parts: Parts, temporal: ScriptedTemporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taker, "POLL_SECONDS", 3600)
    dispatcher, ledger = counting(parts)
    async with running(dispatcher):
        await empty(ledger)
        await record(parts, dispatcher, ("a", 1), ("b", 1), ("a", 2))
        await settled(parts, done=3)
    assert (temporal.numbers("a"), temporal.numbers("b")) == ([1, 2], [1])
    assert len(temporal.arrived) == 3
    assert (ledger.taken, ledger.events_read) == (0, 0)
    assert [row["attempts"] for row in await parts.rows()] == [1, 1, 1]


async def test_what_is_handed_over_is_what_the_tables_hold(parts: Parts) -> None:
    dispatcher, ledger = counting(parts)
    async with recording(parts, dispatcher, ("a", 1), ("b", 2), fresh=True) as recorded:
        pass
    read = await ledger.take(range(32), [], Crowded((), ()), 10, 2**30)
    events = await ledger.events([each.uid for each in read])
    by_id = {each.dispatch.id: each for each in recorded.fresh}
    assert len(read) == len(by_id) == 2
    for each in read:
        fresh = by_id[each.id]
        same = {"taken_at": each.taken_at, "read_at": each.read_at}
        assert structs.replace(fresh.dispatch, **same) == each
        stored = events[each.uid]
        assert structs.replace(fresh.event, recorded_us=stored.recorded_us) == stored
        assert stored.event.type == TYPE


async def test_what_follows_an_unsettled_one_is_not_fresh(
    parts: Parts, temporal: ScriptedTemporal
) -> None:
    temporal.failing["a"].extend([UNAVAILABLE] * 3)
    dispatcher, ledger = counting(parts)
    async with running(dispatcher):
        await empty(ledger)
        await record(parts, dispatcher, ("a", 1))

        async def failed() -> bool:
            return bool((await parts.rows())[0]["attempts"] > 0)

        await eventually(failed)
        # Its lane has left memory, or its head is in flight: an empty lane proves nothing.
        later = await record(parts, dispatcher, ("a", 2), ("b", 1))
        assert [each.dispatch.key for each in later.fresh] == ["b"]
        await settled(parts, done=3)
    assert temporal.numbers("a") == [1, 2]


@pytest.mark.parametrize("state", ["open", "waiting"])
async def test_one_that_waits_in_the_table_makes_its_key_busy(parts: Parts, state: str) -> None:
    await parts.plan(("a", 1), ("b", 1))
    await parts.database.execute(
        "update dispatches set state = $1, next_attempt_at = 'infinity' where key = 'a'", state
    )
    await parts.database.execute(
        "update dispatches set state = 'done', settled_at = now() where key = 'b'"
    )
    dispatcher, _ = counting(parts)
    recorded = await record(parts, dispatcher, ("a", 2), ("b", 2), ("c", 1), fresh=True)
    assert [each.dispatch.key for each in recorded.fresh] == ["b", "c"]


async def test_one_planned_meanwhile_that_failed_is_not_overtaken(
    parts: Parts, temporal: ScriptedTemporal, database: Database
) -> None:
    """A replay plans an event of the same key after the recording's statement, before its commit."""
    await parts.plan(("a", 0))
    await database.execute("update dispatches set state = 'done', settled_at = now()")
    temporal.failing["a"].extend([UNAVAILABLE] * 2)
    dispatcher, ledger = counting(parts)
    async with running(dispatcher):
        await empty(ledger)
        async with recording(parts, dispatcher, ("a", 1)) as recorded:
            assert len(recorded.fresh) == 1, "its statement saw nothing"
            await database.execute(
                "insert into dispatches (uid, position, route, route_digest, generation, operation,"
                " key, target, request_id, call, partition) select uid, position, route, '', 2,"
                " operation, key, target, gen_random_uuid(), call, partition from dispatches"
            )
            dispatcher.wake(1)

            async def failed() -> bool:
                return bool(
                    await database.fetchval(
                        "select attempts > 0 from dispatches where generation = 2"
                    )
                )

            await eventually(failed, within=60, what="the replayed one failed")
        await settled(parts, done=3)
    assert temporal.numbers("a") == [0, 1]


async def test_two_recordings_at_once_do_not_get_ahead_of_each_other(
    parts: Parts, temporal: ScriptedTemporal
) -> None:
    """Another source's intake commits an event of the same key before the first one's commit."""
    dispatcher, ledger = counting(parts)
    temporal.failing["a"].append(UNAVAILABLE)
    async with running(dispatcher):
        await empty(ledger)
        async with recording(parts, dispatcher, ("a", 1)) as first:
            async with recording(parts, dispatcher, ("a", 2), consumer="other") as other:
                pass
            await eventually(lambda: temporal.arrived, within=60, what="the other one came")
        assert len(first.fresh) == len(other.fresh) == 1, (
            "neither statement saw the other's row"
        )
        await settled(parts, done=2)
    assert sorted(temporal.numbers("a")) == [1, 2]
    # The first one came by the table: something of its key had come into memory.
    assert ledger.taken > 0


async def lose(database: Database, partition: int, *, owner: str) -> None:
    await database.execute(
        "update leases set owner = $2, epoch = epoch + 1,"
        " expires_at = clock_timestamp() + interval '1 hour' where name = $1",
        f"partition/{partition}",
        owner,
    )


async def test_nothing_is_handed_to_a_partition_that_was_lost_meanwhile(
    parts: Parts, temporal: ScriptedTemporal, database: Database
) -> None:
    dispatcher, ledger = counting(parts)
    mine = partition_of("a")
    async with running(dispatcher):
        await empty(ledger)
        async with recording(parts, dispatcher, ("a", 1)) as recorded:
            await lose(database, mine, owner="robber")
            dispatcher.ownership.lost({mine})
        await record(parts, dispatcher, ("b", 1))
        await eventually(lambda: temporal.numbers("b") == [1])
        assert len(recorded.fresh) == 1
        assert temporal.numbers("a") == []
        # Also when it is owned again: another daemon had it meanwhile.
        async with recording(parts, dispatcher, ("a", 2)) as recorded:
            await database.execute("delete from leases where owner = 'robber'")
            await eventually(lambda: mine in dispatcher.ownership.active, within=30)
        await settled(parts, done=3)
    assert temporal.numbers("a") == [1, 2]
    assert ledger.taken >= 1, "the first of the two came from the table"


async def test_what_was_handed_over_is_not_called_once_its_partition_is_lost(
    parts: Parts, temporal: ScriptedTemporal, database: Database
) -> None:
    dispatcher, ledger = counting(parts, in_flight=1, least_in_flight=1, most_in_flight=1)
    temporal.held["busy"] = asyncio.Event()
    mine = partition_of("a")
    assert mine != partition_of("busy")
    async with running(dispatcher):
        await empty(ledger)
        await record(parts, dispatcher, ("busy", 1))
        await eventually(lambda: temporal.arrived)
        await record(parts, dispatcher, ("a", 1))
        await eventually(lambda: dispatcher.in_hand(mine) == 1)
        await lose(database, mine, owner="robber")
        dispatcher.ownership.lost({mine})
        await eventually(lambda: dispatcher.in_hand(mine) == 0)
        temporal.held["busy"].set()
        await settled(parts, done=1, open=1)
    assert temporal.numbers("a") == []


class Told:
    """Pauses that the test sets."""

    def __init__(self) -> None:
        self.held: Held | None = Held()

    def pause(self, *routes: str) -> None:
        """Pause these routes, and no others."""
        self.held = Held.of(
            Pause(kind="route", name=name, since=SINCE, who="ada", reason="") for name in routes
        )


async def test_a_paused_route_holds_its_key_and_no_other(
    parts: Parts, temporal: ScriptedTemporal
) -> None:
    parts.routes = RouteTable([route("shop"), route("billing", when="data.number == 2.0")])
    told = Told()
    told.pause("billing")
    dispatcher = parts.dispatcher(paused=told)
    async with running(dispatcher):
        await eventually(lambda: dispatcher.ownership.held)
        await record(parts, dispatcher, ("a", 1), ("a", 2), ("a", 3), ("b", 1))
        await settled(parts, done=3, open=2)
        told.pause()
        await settled(parts, done=5)
    assert [(each.route, each.number) for each in temporal.effects if each.key == "a"] == [
        ("shop", 1),
        ("shop", 2),
        ("billing", 2),
        ("shop", 3),
    ]


async def test_a_pause_reaches_what_was_handed_over_and_not_called(
    parts: Parts, temporal: ScriptedTemporal
) -> None:
    told = Told()
    temporal.held["a"] = asyncio.Event()
    dispatcher = parts.dispatcher(paused=told)
    async with running(dispatcher):
        await eventually(lambda: dispatcher.ownership.held)
        await record(parts, dispatcher, ("a", 1), ("a", 2), ("a", 3))
        await eventually(lambda: temporal.arrived)
        told.pause("shop")
        temporal.held["a"].set()
        await settled(parts, done=1, open=2)
        told.pause()
        await settled(parts, done=3)
    assert temporal.numbers("a") == [1, 2, 3]
    assert len(temporal.arrived) == 3


async def test_what_waits_in_the_table_for_room_comes_first(
    parts: Parts, temporal: ScriptedTemporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taker, "MAX_IN_HAND", 20)
    monkeypatch.setattr(taker, "PAGE", 20)
    temporal.seconds = lambda _call: 0.01
    dispatcher, ledger = counting(parts, in_flight=1, least_in_flight=1, most_in_flight=1)
    async with running(dispatcher):
        await empty(ledger)
        for start in range(0, 100, 10):
            await record(parts, dispatcher, *((f"k{n}", n) for n in range(start, start + 10)))
        await settled(parts, done=100)
    # Keys are free to overtake each other; none is put off by those that came after it.
    numbers = [each.number for each in temporal.effects]
    assert max(abs(number - place) for place, number in enumerate(numbers)) <= 40
    assert ledger.taken > 0


async def test_a_recording_has_room_until_the_lanes_are_full_and_after_they_are_empty(
    parts: Parts, temporal: ScriptedTemporal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taker, "MAX_IN_HAND", 2)
    temporal.held["a"] = answered = asyncio.Event()
    dispatcher, ledger = counting(parts)
    assert not dispatcher.window().room, "the table may have earlier ones"
    async with running(dispatcher):
        await empty(ledger)
        assert dispatcher.window().room
        await record(parts, dispatcher, ("a", 1), ("a", 2))
        await eventually(lambda: len(temporal.arrived) == 1)
        assert not dispatcher.window().room
        await record(parts, dispatcher, ("b", 1))
        answered.set()
        await settled(parts, done=3)
        await eventually(lambda: dispatcher.window().room)
    assert ledger.taken == 1, "what was recorded behind full lanes is read from the table"


async def test_the_order_of_each_key_holds_whatever_fails_is_lost_or_is_paused(
    parts: Parts, temporal: ScriptedTemporal
) -> None:
    draw = random.Random(7)
    told, keys = Told(), [f"k{number}" for number in range(6)]
    temporal.seconds = lambda _call: draw.choice((0.0, 0.0, 0.004))
    dispatcher = parts.dispatcher(paused=told)
    sent = dict.fromkeys(keys, 0)
    async with running(dispatcher):
        for _ in range(60):
            batch = []
            for key in draw.choices(keys, k=draw.randint(1, 6)):
                sent[key] += 1
                batch.append((key, sent[key]))
            failing = temporal.failing[draw.choice(keys)]
            if not failing and draw.random() < 0.2:
                failing.append(UNAVAILABLE)
            told.pause(*(("shop",) if draw.random() < 0.1 else ()))
            await record(parts, dispatcher, *batch)
            if draw.random() < 0.05:
                # Lost as far as this daemon knows; it takes the partition again.
                dispatcher.ownership.lost({partition_of(draw.choice(keys))})
            if draw.random() < 0.3:
                await asyncio.sleep(0)
        told.pause()
        await settled(parts, done=sum(sent.values()))
    for key in keys:
        assert temporal.numbers(key) == list(range(1, sent[key] + 1))
