"""When a key may be handed over: held under one lease all the time, and nothing of it came meanwhile."""

from typing import Any

from bridge.dispatch.handover import Fresh, Window, by_key
from bridge.dispatch.partitions import partition_of
from eventstore.leases import Lease
from tests.unit.bridge.builders import stored
from tests.unit.bridge.dispatch.builders import dispatch

NO_DATABASE: Any = None
MINE = partition_of("k")


def lease(epoch: int = 1) -> Lease:
    return Lease(NO_DATABASE, f"partition/{MINE}", "one", epoch, 5.0)


def test_a_key_of_a_partition_that_is_held_all_the_time() -> None:
    held = {MINE: lease()}
    assert Window(held).allows("k", held)


def test_not_if_something_of_the_key_came_meanwhile() -> None:
    held = {MINE: lease()}
    window = Window(held)
    window.touched.add("k")
    assert not window.allows("k", held)


def test_not_if_the_partition_was_gained_lost_or_had_another_owner_meanwhile() -> None:
    held = {MINE: lease()}
    assert not Window({}).allows("k", held)
    assert not Window(held).allows("k", {})
    assert not Window(held).allows("k", {MINE: lease(epoch=3)})


def test_dispatches_are_grouped_by_key_in_their_order() -> None:
    fresh = [
        Fresh(dispatch(number, key), stored())
        for number, key in enumerate(("a", "b", "a", "c", "b"), start=1)
    ]
    assert {
        key: [each.dispatch.id for each in group] for key, group in by_key(fresh).items()
    } == {
        "a": [1, 3],
        "b": [2, 5],
        "c": [4],
    }
