"""Which ranges the messages of a batch form that are only counted."""

import pytest

from bridge.intake.consumer import Delivery
from bridge.intake.counting import ranges_of
from bridge.intake.decision import Accepted, Counted, Judged, PassedOver
from tests.support.daemon_parts import CREATED, TOPIC, event


def judged(kind: str, sequence: int) -> Judged:
    delivery = Delivery(
        "ORDERS", CREATED, sequence, TOPIC, {}, b"", reply="", arrived_ns=sequence * 10
    )
    match kind:
        case "c":
            return Counted(delivery, event("k", sequence))
        case "a":
            return Accepted(delivery, event("k", sequence), ())
        case _:
            return PassedOver(delivery, "")


@pytest.mark.parametrize(
    ("batch", "known", "ranges"),
    [
        ([("c", 1), ("c", 2), ("c", 5)], set(), [(1, 5)]),
        ([("c", 1), ("a", 2), ("c", 3)], set(), [(1, 1), (3, 3)]),
        ([("p", 1), ("c", 2)], set(), [(2, 2)]),
        ([("c", 1), ("c", 2), ("c", 3)], {2}, [(1, 1), (3, 3)]),
        ([("c", 1)], {1}, []),
        ([("a", 1)], set(), []),
    ],
)
def test_ranges(
    batch: list[tuple[str, int]], known: set[int], ranges: list[tuple[int, int]]
) -> None:
    found = ranges_of([judged(*each) for each in batch], frozenset(known))
    assert [(each.first, each.through) for each in found] == ranges
    assert all(each.through_ns == each.through * 10 for each in found)
