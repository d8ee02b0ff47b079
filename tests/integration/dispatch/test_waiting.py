"""A signal that waits for its target: what it holds, what wakes it, and when it gives up."""

import asyncio
from datetime import timedelta

import pytest

from bridge.dispatch.ledger import Crowded, Ledger, Settlement
from bridge.dispatch.partitions import PARTITIONS, partition_of
from bridge.lifecycle.leadership import TTL_SECONDS
from bridge.operations.outcomes import Outcome
from eventstore.database import Database
from eventstore.leases import Lease, Leases
from eventstore.store import EventStore
from tests.support.house import House, running
from tests.support.waiting import eventually
from tests.support.workflows_by_id import WorkflowsById, routes

A_LONG_TIME = "update dispatches set next_attempt_at = clock_timestamp() + interval '30 min' where state = 'waiting'"


@pytest.fixture
def workflows() -> WorkflowsById:
    """The Temporal of the house."""
    return WorkflowsById()


@pytest.fixture
def house(database: Database, workflows: WorkflowsById) -> House:
    """A house whose routes start workflows and signal them."""
    return House(database, workflows, routes())


async def waiting(house: House, number: int = 1) -> None:
    async def look() -> bool:
        assert (await house.states()).get("waiting", 0) == number
        return True

    await eventually(look, what=f"{number} dispatches that wait")


async def settled(house: House, **expected: int) -> None:
    async def look() -> bool:
        assert await house.states() == expected
        return True

    await eventually(look, within=20, what=f"{expected}")


async def test_it_does_not_hold_the_start_of_its_target_and_keeps_its_place_before_later_signals(
    house: House, workflows: WorkflowsById
) -> None:
    await house.plan(("order-1", 1), ("order-1", 0), ("order-1", 2), ("order-1", 3))
    async with running(house.dispatcher()):
        await settled(house, done=4)
    assert workflows.signalled["order-1"] == [1, 2, 3]
    assert ("order-1", 2) not in workflows.tried[:1]


async def test_what_signals_and_starts_is_not_held_either(
    house: House, workflows: WorkflowsById
) -> None:
    await house.plan(("order-1", 1), ("order-1", 100), ("order-1", 2))
    async with running(house.dispatcher()):
        await settled(house, done=3)
    # What starts the workflow comes with its signal in one step, so before those that waited for it.
    assert workflows.signalled["order-1"] == [100, 1, 2]


async def test_it_does_not_hold_other_targets_of_its_lane(
    house: House, workflows: WorkflowsById
) -> None:
    house.routes = routes(lane_of_starts="'one lane'", key="'one lane'")
    workflows.open.add("order-2")
    await house.plan(("order-1", 1), ("order-2", 1), ("order-1", 2), ("order-2", 2))
    async with running(house.dispatcher()):
        await settled(house, waiting=1, open=1, done=2)
        assert workflows.signalled["order-2"] == [1, 2]
        assert ("order-1", 2) not in workflows.tried
        await house.plan(("order-1", 0))
        await settled(house, done=5)
    assert workflows.signalled["order-1"] == [1, 2]


@pytest.mark.parametrize("lane_of_starts", ["data.key", "'lane ' + data.key"])
@pytest.mark.parametrize("daemons", [1, 2])
async def test_the_start_of_its_target_wakes_it_whatever_lane_or_daemon_starts(
    house: House, workflows: WorkflowsById, lane_of_starts: str, daemons: int
) -> None:
    house.routes = routes(lane_of_starts=lane_of_starts)
    ids = [f"order-{number}" for number in range(6)]
    await house.plan(*((each, 1) for each in ids))
    async with running(*(house.dispatcher(f"daemon-{number}") for number in range(daemons))):
        await waiting(house, len(ids))
        # So that polling does not find the workflow.
        await house.database.execute(A_LONG_TIME)
        await house.plan(*((each, 0) for each in ids), *((each, 2) for each in ids))
        await settled(house, done=3 * len(ids))
    assert all(workflows.signalled[each] == [1, 2] for each in ids)


async def test_a_start_that_is_recorded_while_the_signal_is_under_way_wakes_it_too(
    house: House, workflows: WorkflowsById
) -> None:
    house.routes = routes(lane_of_starts="'other lane'")
    workflows.answer_missing = asyncio.Event()
    await house.plan(("order-1", 1))
    # It has been tried often: the next try would be 30 s later.
    await house.database.execute("update dispatches set attempts = 50")
    async with running(house.dispatcher()):
        await eventually(lambda: workflows.tried == [("order-1", 1)])
        await house.plan(("order-1", 0))
        await settled(house, open=1, done=1)
        workflows.answer_missing.set()
        await settled(house, done=2)
    assert workflows.tried == [("order-1", 1)] * 2


async def held(house: House, key: str) -> Lease:
    lease = await Leases(house.database).acquire(
        f"partition/{partition_of(key)}", "daemon", TTL_SECONDS
    )
    assert lease is not None
    return lease


async def test_waking_is_in_the_commit_of_the_start(house: House) -> None:
    await house.plan(("order-1", 1), ("order-1", 0))
    ledger = Ledger(house.database, EventStore(house.database), "daemon")
    lease = await held(house, "order-1")
    signal, start = await ledger.take(range(PARTITIONS), [], Crowded((), ()), 10, 2**30)
    events = await ledger.events([signal.uid, start.uid])
    waits = Outcome(state="waiting", error="not there", pause=30.0)
    assert await ledger.settle([Settlement(signal, waits, events[signal.uid])], [lease]) == 0
    assert (await house.rows())[0]["next_attempt_at"] > signal.now + timedelta(seconds=20)

    done = Settlement(start, Outcome(state="done", run_id="run-1"), events[start.uid])
    assert await ledger.settle([done], [lease]) == 1
    woken, started = await house.rows()
    assert (woken["state"], started["state"]) == ("waiting", "done")
    assert woken["next_attempt_at"] <= started["settled_at"] + timedelta(seconds=5)


async def test_a_signal_that_is_settled_together_with_the_start_is_tried_again_at_once(
    house: House,
) -> None:
    house.routes = routes(lane_of_starts="'other lane'")
    await house.plan(("order-1", 1), ("order-1", 0))
    ledger = Ledger(house.database, EventStore(house.database), "daemon")
    leases = [await held(house, key) for key in ("order-1", "other lane")]
    signal, start = await ledger.take(range(PARTITIONS), [], Crowded((), ()), 10, 2**30)
    events = await ledger.events([signal.uid, start.uid])
    group = [
        Settlement(
            signal, Outcome(state="waiting", error="not there", pause=30.0), events[signal.uid]
        ),
        Settlement(start, Outcome(state="done", run_id="run-1"), events[start.uid]),
    ]
    await ledger.settle(group, leases)
    (again,) = await ledger.take(range(PARTITIONS), [], Crowded((), ()), 10, 2**30)
    assert again.id == signal.id


async def test_the_next_try_is_no_later_than_the_end_of_the_wait(house: House) -> None:
    house.routes = routes(wait_for="20s")
    await house.plan(("order-1", 1))
    await house.database.execute("update dispatches set attempts = 4")  # the pause is 16 s
    async with running(house.dispatcher()):
        await waiting(house)
        await house.database.execute(
            "update dispatches set waiting_until = waiting_until - interval '10 s',"
            " next_attempt_at = clock_timestamp()"
        )

        async def tried_again() -> bool:
            return bool((await house.rows())[0]["attempts"] == 6)

        await eventually(tried_again)
        (row,) = await house.rows()
        assert row["next_attempt_at"] == row["waiting_until"]
        await house.database.execute(
            "update dispatches set waiting_until = clock_timestamp(),"
            " next_attempt_at = clock_timestamp()"
        )
        await settled(house, dead=1)
    (letter,) = await house.database.fetch("select * from dead_letters")
    assert letter["code"] == "waited-in-vain"


async def test_those_that_wait_behind_it_do_not_wait_longer_than_their_own_time(
    house: House,
) -> None:
    await house.plan(*(("order-1", number) for number in (1, 2, 3)))
    async with running(house.dispatcher()):
        await settled(house, waiting=1, open=2)
        first, *others = await house.rows()
        assert all(row["attempts"] == 0 for row in others)
        spread = max(row["waiting_until"] for row in others) - first["waiting_until"]
        assert abs(spread) < timedelta(seconds=10)
        await house.database.execute(
            "update dispatches set waiting_until = clock_timestamp(),"
            " next_attempt_at = clock_timestamp()"
        )
        await settled(house, dead=3)


async def test_one_whose_time_ran_out_while_no_daemon_ran_is_tried_once_more(
    house: House, workflows: WorkflowsById
) -> None:
    await house.plan(("order-1", 1), ("order-2", 1))
    async with running(house.dispatcher()):
        await waiting(house, 2)
    await house.database.execute(
        "update dispatches set waiting_until = clock_timestamp() - interval '1 day',"
        " next_attempt_at = clock_timestamp() - interval '1 day'"
    )
    workflows.open.add("order-2")
    async with running(house.dispatcher()):
        await settled(house, dead=1, done=1)
    assert workflows.signalled["order-2"] == [1]
