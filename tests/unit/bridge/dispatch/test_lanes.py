"""Lanes against a naive model: a list of what is in hand, in the order in which it was added.

The model's table knows what waits for its target, as the real one does: it holds later signals of
its key and target, and nothing else.
"""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge.dispatch.lanes import Lanes
from bridge.dispatch.partitions import partition_of
from bridge.operations.base import Dispatch
from tests.unit.bridge.dispatch.builders import dispatch

KEYS = [f"key-{number}" for number in range(5)]
TARGETS = ["target-0", "target-1"]


class LanesModel(RuleBasedStateMachine):
    """What a dispatcher does to lanes, in any order."""

    @initialize()
    def begin(self) -> None:
        self.lanes = Lanes()
        self.added = 0
        self.table: list[Dispatch] = []
        self.in_hand: list[Dispatch] = []
        self.called: list[Dispatch] = []
        self.starts: set[int] = set()
        self.waiting: set[int] = set()

    def heads(self) -> list[Dispatch]:
        """The first of each key, in position order."""
        first: dict[str, Dispatch] = {}
        for each in self.in_hand:
            first.setdefault(each.key, each)
        return sorted(first.values(), key=lambda each: each.position)

    @rule(key=st.sampled_from(KEYS), goes_to=st.sampled_from(TARGETS), starts=st.booleans())
    def plan_and_take(self, key: str, goes_to: str, *, starts: bool) -> None:
        self.added += 1
        self.table.append(dispatch(self.added, key, target=goes_to))
        if starts:
            self.starts.add(self.added)
        self.take()

    def before(self, each: Dispatch) -> list[Dispatch]:
        """What must have its effect before this one, of what goes to its target in its lane."""
        return [
            other
            for other in self.table
            if (other.key, other.target) == (each.key, each.target)
            and other.id < each.id
            and not self.starts & {each.id, other.id}
        ]

    @rule()
    def take(self) -> None:
        known = {each.id for each in self.in_hand}
        # What was dropped comes back whole, so before anything of its key that is newer.
        for each in sorted(self.table, key=lambda each: each.position):
            held = any(other.id in self.waiting for other in self.before(each))
            if each.id not in known | self.waiting and not held:
                self.lanes.add(each)
                self.in_hand.append(each)

    @rule()
    def call_the_next_head(self) -> None:
        expected = [each for each in self.heads() if each not in self.called]
        head = self.lanes.next()
        assert head == (expected[0] if expected else None)
        if head is not None:
            self.called.append(head)

    @precondition(lambda self: self.called)
    @rule(data=st.data())
    def put_back(self, data: st.DataObject) -> None:
        each = data.draw(st.sampled_from(self.called))
        self.called.remove(each)
        self.lanes.put_back(each)

    @precondition(lambda self: self.called)
    @rule(data=st.data())
    def settle(self, data: st.DataObject) -> None:
        each = data.draw(st.sampled_from(self.called))
        assert not self.before(each), "an earlier one to the same target is not settled"
        self.lanes.settle(each)
        for held in (self.called, self.in_hand, self.table):
            held.remove(each)

    @precondition(lambda self: self.called)
    @rule(data=st.data())
    def fail(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.called)).key
        self.lanes.drop(key)
        self.forget({key})

    @precondition(lambda self: {each.id for each in self.called} - self.starts)
    @rule(data=st.data())
    def wait_for_the_target(self, data: st.DataObject) -> None:
        signals = [each for each in self.called if each.id not in self.starts]
        each = data.draw(st.sampled_from(signals))
        self.waiting.add(each.id)
        self.lanes.drop(each.key)
        self.forget({each.key})
        self.take()
        planned = {other.id for other in self.table if other.key == each.key}
        in_hand = {other.id for other in self.in_hand}
        assert planned & self.starts <= in_hand, "a start is held"

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def wake(self, data: st.DataObject) -> None:
        self.waiting.discard(data.draw(st.sampled_from(sorted(self.waiting))))
        self.take()

    @rule(key=st.sampled_from(KEYS))
    def lose_a_partition(self, key: str) -> None:
        number = partition_of(key)
        self.lanes.drop_partition(number)
        self.forget({each for each in KEYS if partition_of(each) == number})

    @rule(key=st.sampled_from(KEYS))
    def settle_what_was_lost_meanwhile(self, key: str) -> None:
        self.lanes.settle(dispatch(10_000, key))

    def forget(self, keys: set[str]) -> None:
        self.in_hand = [each for each in self.in_hand if each.key not in keys]
        self.called = [each for each in self.called if each.key not in keys]

    @invariant()
    def counts_agree(self) -> None:
        lanes, in_hand = self.lanes, self.in_hand
        assert sorted(lanes.ids) == sorted(each.id for each in in_hand)
        assert len(lanes) == len(in_hand)
        assert lanes.bytes == sum(len(each.call) for each in in_hand)
        assert all(each in lanes for each in in_hand)
        for key in KEYS:
            length = sum(each.key == key for each in in_hand)
            assert lanes.length(key) == length
            assert (key in lanes.longer_than(2)) == (length > 2)
            number = partition_of(key)
            assert lanes.count(number) == sum(partition_of(e.key) == number for e in in_hand)


TestLanes = LanesModel.TestCase


def test_a_head_that_was_called_and_lost_is_not_handed_out_twice_when_it_comes_back() -> None:
    lanes = Lanes()
    lanes.add(dispatch(1))
    assert lanes.next() == dispatch(1)
    lanes.drop("k")
    lanes.put_back(dispatch(1))
    assert lanes.next() is None
    lanes.add(dispatch(1))
    assert lanes.next() == dispatch(1)
    assert lanes.next() is None
