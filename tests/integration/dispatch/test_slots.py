"""One run per key: who gets a slot, and what frees it."""

import asyncio
from collections import Counter

import pytest

from bridge.flow.plan import SlotPlan, WhenFull
from bridge.inspect.dispatches import find_dispatch
from bridge.routes.table import RouteTable
from bridge.sql import STATEMENTS
from eventstore.database import Database
from tests.support.daemon_parts import Parts, ScriptedTemporal, route, running
from tests.support.slot_rows import SlotRows
from tests.support.waiting import eventually


@pytest.fixture
def slots(database: Database) -> SlotRows:
    """Dispatches of one route."""
    return SlotRows(database)


async def reason(slots: SlotRows, number: int) -> str:
    found = await find_dispatch(slots.database, number)
    assert found is not None
    return "; ".join(found.holds) or found.error or found.slot or ""


async def test_one_runs_and_the_others_wait_in_the_order_of_their_events(
    slots: SlotRows,
) -> None:
    first, second, third = await slots.plan(SlotPlan(key="a"), [1, 2, 3])
    (other,) = await slots.plan(SlotPlan(key="b"), [4])
    assert await slots.states() == {
        first: "open", second: "queued", third: "queued", other: "open",
    }  # fmt: skip
    assert "held by w" in await reason(slots, second)
    assert "1 before it in the queue" in await reason(slots, third)
    assert await slots.settle({first: ("done", "r1")}) == 0
    assert "run r1" in await reason(slots, second)
    assert await reason(slots, first) == "holds a slot of key a"
    # A replay of an older event comes before what is queued.
    (older,) = await slots.plan(SlotPlan(key="a"), [0])
    assert await slots.end(["r1"]) == 1
    assert (await slots.held())["a"] == [older]
    assert await slots.settle({older: ("skipped", None)}) == 1
    assert (await slots.held())["a"] == [second]


@pytest.mark.parametrize("state", ["announced", "lost", "foreign"])
async def test_a_run_that_is_terminated_lost_or_foreign_frees_its_slot(
    slots: SlotRows, state: str
) -> None:
    first, second = await slots.plan(SlotPlan(key="a"), [1, 2])
    await slots.settle({first: ("done", "r1")})
    assert await slots.end(["r1"], "open") == 0
    assert (await slots.states())[second] == "queued"
    assert await slots.end(["r1"], state) == 1  # type: ignore[arg-type]
    assert (await slots.states())[second] == "open"


@pytest.mark.parametrize("state", ["dead", "collision", "skipped", "done"])
async def test_what_starts_no_run_of_its_own_frees_its_slot(
    slots: SlotRows, state: str
) -> None:
    first, second = await slots.plan(SlotPlan(key="a"), [1, 2])
    assert await slots.settle({first: ("open", None)}) == 0
    assert await slots.settle({first: (state, None)}) == 1
    assert (await slots.held())["a"] == [second]


async def test_a_duplicate_of_a_run_that_has_ended_frees_its_slot(slots: SlotRows) -> None:
    (first,) = await slots.plan(SlotPlan(key="a"), [1])
    await slots.settle({first: ("done", "r1")})
    await slots.end(["r1"])
    again, later = await slots.plan(SlotPlan(key="a"), [2, 3])
    assert await slots.settle({again: ("duplicate", "r1")}) == 1
    assert (await slots.held())["a"] == [later]


async def test_skip_names_what_holds_the_slot(slots: SlotRows) -> None:
    slot = SlotPlan(key="a", limit=2, when_full="skip")
    first, second, third = await slots.plan(slot, [1, 2, 3])
    assert await slots.states() == {first: "open", second: "open", third: "skipped"}
    assert "no free slot for key a: held by w" in await reason(slots, third)
    assert "and 1 others" in await reason(slots, third)


async def test_replace_queued_keeps_the_newest_and_says_so(slots: SlotRows) -> None:
    slot = SlotPlan(key="a", when_full="replace_queued")
    first, second, third = await slots.plan(slot, [1, 2, 3])
    (fourth,) = await slots.plan(slot, [4])
    assert await slots.states() == {
        first: "open", second: "skipped", third: "skipped", fourth: "queued",
    }  # fmt: skip
    assert (await reason(slots, third)).startswith("replaced by event")
    assert [row["into_id"] for row in await slots.rows()] == [None, third, fourth, None]


async def test_cancel_running_waits_for_the_end_of_the_run(slots: SlotRows) -> None:
    slot = SlotPlan(key="a", when_full="cancel_running")
    first, second = await slots.plan(slot, [1, 2])
    assert await slots.cancelled() == {first}
    assert "its run is cancelled when it has started" in await reason(slots, second)
    due = STATEMENTS["runs_to_cancel"]
    assert await slots.database.fetch(due, "", None, 10) == []
    await slots.settle({first: ("done", "r1")})
    (row,) = await slots.database.fetch(due, "", None, 10)
    assert (row["dispatch"], row["run_id"]) == (first, "r1")
    await slots.database.execute(STATEMENTS["note_cancellation"], first, None)
    assert await slots.database.fetch(due, "", None, 10) == []
    # It ignores the cancellation: the newest event waits, and says for what.
    (third,) = await slots.plan(slot, [3])
    assert (await slots.states())[second] == "skipped"
    assert "the run has not ended" in await reason(slots, third)
    assert "wants it" in await reason(slots, first)
    assert await slots.end(["r1"]) == 1
    assert (await slots.held())["a"] == [third]
    assert await slots.cancelled() == set()


async def test_a_new_limit_counts_from_the_next_event_of_the_key(slots: SlotRows) -> None:
    numbers = await slots.plan(SlotPlan(key="a"), [1, 2, 3, 4])
    (fifth,) = await slots.plan(SlotPlan(key="a", limit=3), [5])
    assert (await slots.held())["a"] == numbers[:3]
    (sixth,) = await slots.plan(SlotPlan(key="a"), [6])
    for number in numbers[:3]:
        await slots.settle({number: ("dead", None)})
    states = await slots.states()
    assert [states[each] for each in (numbers[3], fifth, sixth)] == ["open", "queued", "queued"]


async def test_retention_keeps_what_holds_a_slot(slots: SlotRows) -> None:
    first, second = await slots.plan(SlotPlan(key="a"), [1, 2])
    await slots.settle({first: ("done", "r1")})
    remove = STATEMENTS["remove_settled_dispatches"]
    later = "select clock_timestamp() + interval '1 h'"
    arguments = (0, await slots.database.fetchval(later), 100)
    assert (await slots.database.fetch(remove, *arguments))[0]["removed"] == 0
    await slots.end(["r1"])
    assert (await slots.database.fetch(remove, *arguments))[0]["removed"] == 1
    assert await slots.states() == {second: "open"}


async def test_the_sweep_frees_what_nothing_holds(slots: SlotRows) -> None:
    first, second = await slots.plan(SlotPlan(key="a"), [1, 2])
    await slots.settle({first: ("done", "r1")})
    # As if the run was found to have ended by a commit that did not see the slot.
    await slots.database.execute(
        "update runs set state = 'announced', ended_at = clock_timestamp()"
    )
    assert await slots.sweep() == (1, 1)
    assert (await slots.held())["a"] == [second]
    assert await slots.sweep() == (0, 0)


@pytest.mark.parametrize("when_full", ["queue", "skip", "replace_queued", "cancel_running"])
@pytest.mark.parametrize("events", [300, pytest.param(5_000, marks=pytest.mark.torture)])
async def test_a_burst_for_one_key_from_four_sources_at_once(
    slots: SlotRows, when_full: WhenFull, events: int
) -> None:
    """Each source records in its own order, in commits of a hundred, all of them at once."""
    slot = SlotPlan(key="a", limit=2, when_full=when_full)
    waiting = 0 if when_full == "skip" else 1
    each = events // 4

    async def source(first: int) -> None:
        for start in range(first, first + each, 100):
            await slots.plan(slot, range(start, min(start + 100, first + each)))

    async with asyncio.TaskGroup() as group:
        for number in range(4):
            group.create_task(source(number * each))
    states = Counter((await slots.states()).values())
    left = events - 2 if when_full == "queue" else waiting
    expected = {"open": 2, "queued": left, "skipped": events - 2 - left}
    assert states == {state: count for state, count in expected.items() if count}
    assert len((await slots.held())["a"]) == 2


async def test_what_ends_at_once_in_many_places_keeps_the_limit(slots: SlotRows) -> None:
    keys, events = ("a", "b", "c"), 20
    for at, key in enumerate(keys):
        await slots.plan(SlotPlan(key=key, limit=2), range(at * 100, at * 100 + events))
    done: list[int] = []

    async def worker(name: int) -> None:
        """Settle and end whatever is open, as one of several daemons that share nothing."""
        while True:
            states = await slots.states()
            if not {"open", "queued"} & set(states.values()):
                return
            mine = [
                number
                for number, state in states.items()
                if state == "open" and number % 4 == name
            ]
            await slots.settle({number: ("done", f"r{number}") for number in mine})
            held = await slots.held()
            assert all(len(holders) <= 2 for holders in held.values())
            await slots.end([f"r{number}" for number in mine])
            done.extend(mine)

    async with asyncio.TaskGroup() as group:
        for name in range(4):
            group.create_task(worker(name))
    await slots.sweep()
    assert sorted(done) == sorted(await slots.states())
    assert await slots.held() == {}


async def test_a_daemon_starts_the_next_run_when_the_last_one_has_ended(
    parts: Parts, temporal: ScriptedTemporal, slots: SlotRows
) -> None:
    parts.routes = RouteTable([route(concurrency={"key": "string(data.key)"})])
    await parts.plan(("a", 0), ("a", 1), ("b", 0), ("a", 2))
    async with running(parts.dispatcher("one"), parts.dispatcher("two")):
        for number in range(3):

            async def started(number: int = number) -> bool:
                assert temporal.numbers("a") == list(range(number + 1))
                return bool(await _open_runs(parts))

            await eventually(started, what=f"run {number}")
            assert await slots.end(await _open_runs(parts)) == int(number < 2)
        assert temporal.numbers("b") == [0]


async def _open_runs(parts: Parts) -> list[str]:
    rows = await parts.database.fetch("select run_id from runs where state = 'open'")
    return [row["run_id"] for row in rows]
