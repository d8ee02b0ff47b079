"""The fence's arithmetic against a world of transactions that does the worst it may."""

from hypothesis import given
from hypothesis import strategies as st

from eventstore.fence import Marks


class World:
    """Transactions that take the table's lock, then draw positions, then end; and a fence beside them."""

    def __init__(self) -> None:
        self.marks = Marks()
        self.drawn = 0
        self.open: dict[str, list[int]] = {}
        self.started = 0
        self.last = 0

    def start(self) -> None:
        self.started += 1
        self.open[f"1/{self.started}"] = []

    def draw(self, which: int) -> None:
        if self.open:
            self.drawn += 1
            self.open[sorted(self.open)[which % len(self.open)]].append(self.drawn)

    def end(self, which: int) -> None:
        if self.open:
            del self.open[sorted(self.open)[which % len(self.open)]]

    def read_sequence(self) -> None:
        self.last = self.drawn

    def read_holders(self) -> None:
        self.marks.observe(self.last, list(self.open))
        unfinished = [position for drawn in self.open.values() for position in drawn]
        assert self.marks.through < min(unfinished, default=self.drawn + 1)
        assert self.marks.through <= self.drawn


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["start", "draw", "draw", "end", "read_sequence", "read_holders"]),
            st.integers(0, 9),
        ),
        max_size=200,
    )
)
def test_nothing_unfinished_is_ever_below_the_fence(steps: list[tuple[str, int]]) -> None:
    world = World()
    for step, which in steps:
        # Whatever happens between the two reads happens in this list too.
        if step in {"draw", "end"}:
            getattr(world, step)(which)
        else:
            getattr(world, step)()
    world.open.clear()
    world.read_sequence()
    world.read_holders()
    assert world.marks.through == world.drawn
    assert not world.marks.is_waiting


def test_a_quiet_log_is_final_at_the_first_look() -> None:
    marks = Marks()
    assert marks.observe(7, [])
    assert marks.through == 7
    assert not marks.observe(7, [])


def test_marks_are_pipelined() -> None:
    marks = Marks()
    marks.observe(10, ["a"])
    marks.observe(20, ["a", "b"])
    assert marks.through == 0
    marks.observe(30, ["b"])
    assert marks.through == 10
    marks.observe(30, [])
    assert marks.through == 30


def test_many_marks_behind_one_writer_stay_few() -> None:
    marks = Marks()
    for last in range(1, 1000):
        marks.observe(last, ["slow"])
    assert marks.holders == {"slow"}
    assert marks.observe(1000, [])
    assert marks.through == 1000
