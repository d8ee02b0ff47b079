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
from tests.support.daemon_parts import Parts, running
from tests.support.waiting import eventually
from tests.support.workflows_by_id import WorkflowsById, routes

A_LONG_TIME = "update dispatches set next_attempt_at = clock_timestamp() + interval '30 min' where state = 'waiting'"


@pytest.fixture
def workflows() -> WorkflowsById:
    """The Temporal of the parts."""
    return WorkflowsById()


@pytest.fixture
def parts(database: Database, workflows: WorkflowsById) -> Parts:
    """Parts of a daemon whose routes start workflows and signal them."""
    return Parts(database, workflows, routes())


async def waiting(parts: Parts, number: int = 1) -> None:
    async def look() -> bool:
        assert (await parts.states()).get("waiting", 0) == number
        return True

    await eventually(look, what=f"{number} dispatches that wait")


async def settled(parts: Parts, **expected: int) -> None:
    async def look() -> bool:
        assert await parts.states() == expected
        return True

    await eventually(look, within=20, what=f"{expected}")


async def test_it_does_not_hold_the_start_of_its_target_and_keeps_its_place_before_later_signals(
    parts: Parts, workflows: WorkflowsById
) -> None:
    await parts.plan(("order-1", 1), ("order-1", 0), ("order-1", 2), ("order-1", 3))
    async with running(parts.dispatcher()):
        await settled(parts, done=4)
    assert workflows.signalled["order-1"] == [1, 2, 3]
    assert ("order-1", 2) not in workflows.tried[:1]


async def test_what_signals_and_starts_is_not_held_either(
    parts: Parts, workflows: WorkflowsById
) -> None:
    await parts.plan(("order-1", 1), ("order-1", 100), ("order-1", 2))
    async with running(parts.dispatcher()):
        await settled(parts, done=3)
    # What starts the workflow comes with its signal in one step, so before those that waited for it.
    assert workflows.signalled["order-1"] == [100, 1, 2]


async def test_it_does_not_hold_other_targets_of_its_lane(
    parts: Parts, workflows: WorkflowsById
) -> None:
    parts.routes = routes(lane_of_starts="'one lane'", key="'one lane'")
    workflows.open.add("order-2")
    await parts.plan(("order-1", 1), ("order-2", 1), ("order-1", 2), ("order-2", 2))
    async with running(parts.dispatcher()):
        await settled(parts, waiting=1, open=1, done=2)
        assert workflows.signalled["order-2"] == [1, 2]
        assert ("order-1", 2) not in workflows.tried
        await parts.plan(("order-1", 0))
        await settled(parts, done=5)
    assert workflows.signalled["order-1"] == [1, 2]


@pytest.mark.parametrize("lane_of_starts", ["data.key", "'lane ' + data.key"])
@pytest.mark.parametrize("daemons", [1, 2])
async def test_the_start_of_its_target_wakes_it_whatever_lane_or_daemon_starts(
    parts: Parts, workflows: WorkflowsById, lane_of_starts: str, daemons: int
) -> None:
    parts.routes = routes(lane_of_starts=lane_of_starts)
    ids = [f"order-{number}" for number in range(6)]
    await parts.plan(*((each, 1) for each in ids))
    async with running(*(parts.dispatcher(f"daemon-{number}") for number in range(daemons))):
        await waiting(parts, len(ids))
        # So that polling does not find the workflow.
        await parts.database.execute(A_LONG_TIME)
        await parts.plan(*((each, 0) for each in ids), *((each, 2) for each in ids))
        await settled(parts, done=3 * len(ids))
    assert all(workflows.signalled[each] == [1, 2] for each in ids)


async def test_a_start_that_is_recorded_while_the_signal_is_under_way_wakes_it_too(
    parts: Parts, workflows: WorkflowsById
) -> None:
    parts.routes = routes(lane_of_starts="'other lane'")
    workflows.answer_missing = asyncio.Event()
    await parts.plan(("order-1", 1))
    # It has been tried often: the next try would be 30 s later.
    await parts.database.execute("update dispatches set attempts = 50")
    async with running(parts.dispatcher()):
        await eventually(lambda: workflows.tried == [("order-1", 1)])
        await parts.plan(("order-1", 0))
        await settled(parts, open=1, done=1)
        workflows.answer_missing.set()
        await settled(parts, done=2)
    assert workflows.tried == [("order-1", 1)] * 2


async def held(parts: Parts, key: str) -> Lease:
    lease = await Leases(parts.database).acquire(
        f"partition/{partition_of(key)}", "daemon", TTL_SECONDS
    )
    assert lease is not None
    return lease


async def test_waking_is_in_the_commit_of_the_start(parts: Parts) -> None:
    await parts.plan(("order-1", 1), ("order-1", 0))
    ledger = Ledger(parts.database, EventStore(parts.database), "daemon")
    lease = await held(parts, "order-1")
    signal, start = await ledger.take(range(PARTITIONS), [], Crowded((), ()), 10, 2**30)
    events = await ledger.events([signal.uid, start.uid])
    waits = Outcome(state="waiting", error="not there", pause=30.0)
    assert await ledger.settle([Settlement(signal, waits, events[signal.uid])], [lease]) == 0
    assert (await parts.rows())[0]["next_attempt_at"] > signal.now + timedelta(seconds=20)

    done = Settlement(start, Outcome(state="done", run_id="run-1"), events[start.uid])
    assert await ledger.settle([done], [lease]) == 1
    woken, started = await parts.rows()
    assert (woken["state"], started["state"]) == ("waiting", "done")
    assert woken["next_attempt_at"] <= started["settled_at"] + timedelta(seconds=5)


async def test_a_signal_that_is_settled_together_with_the_start_is_tried_again_at_once(
    parts: Parts,
) -> None:
    parts.routes = routes(lane_of_starts="'other lane'")
    await parts.plan(("order-1", 1), ("order-1", 0))
    ledger = Ledger(parts.database, EventStore(parts.database), "daemon")
    leases = [await held(parts, key) for key in ("order-1", "other lane")]
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


async def test_the_next_try_is_no_later_than_the_end_of_the_wait(parts: Parts) -> None:
    parts.routes = routes(wait_for="20s")
    await parts.plan(("order-1", 1))
    await parts.database.execute("update dispatches set attempts = 4")  # the pause is 16 s
    async with running(parts.dispatcher()):
        await waiting(parts)
        await parts.database.execute(
            "update dispatches set waiting_until = waiting_until - interval '10 s',"
            " next_attempt_at = clock_timestamp()"
        )

        async def tried_again() -> bool:
            return bool((await parts.rows())[0]["attempts"] == 6)

        await eventually(tried_again)
        (row,) = await parts.rows()
        assert row["next_attempt_at"] == row["waiting_until"]
        await parts.database.execute(
            "update dispatches set waiting_until = clock_timestamp(),"
            " next_attempt_at = clock_timestamp()"
        )
        await settled(parts, dead=1)
    (letter,) = await parts.database.fetch("select * from dead_letters")
    assert letter["code"] == "waited-in-vain"


async def test_those_that_wait_behind_it_do_not_wait_longer_than_their_own_time(
    parts: Parts,
) -> None:
    await parts.plan(*(("order-1", number) for number in (1, 2, 3)))
    async with running(parts.dispatcher()):
        await settled(parts, waiting=1, open=2)
        first, *others = await parts.rows()
        assert all(row["attempts"] == 0 for row in others)
        spread = max(row["waiting_until"] for row in others) - first["waiting_until"]
        assert abs(spread) < timedelta(seconds=10)
        await parts.database.execute(
            "update dispatches set waiting_until = clock_timestamp(),"
            " next_attempt_at = clock_timestamp()"
        )
        await settled(parts, dead=3)


async def test_one_whose_time_ran_out_while_no_daemon_ran_is_tried_once_more(
    parts: Parts, workflows: WorkflowsById
) -> None:
    await parts.plan(("order-1", 1), ("order-2", 1))
    async with running(parts.dispatcher()):
        await waiting(parts, 2)
    await parts.database.execute(
        "update dispatches set waiting_until = clock_timestamp() - interval '1 day',"
        " next_attempt_at = clock_timestamp() - interval '1 day'"
    )
    workflows.open.add("order-2")
    async with running(parts.dispatcher()):
        await settled(parts, dead=1, done=1)
    assert workflows.signalled["order-2"] == [1]
