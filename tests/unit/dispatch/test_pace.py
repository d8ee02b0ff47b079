"""Pace against simulated servers: near the knee, within its bounds, and back again."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.dispatch.pace import Pace
from tests.unit.dispatch.builders import BASE, at_ease


def latency(in_flight: int, knee: int, base: float = BASE) -> float:
    """A server with so many workers: up to the knee a call takes its time, then calls queue."""
    return base * max(1.0, in_flight / knee)


def run(pace: Pace, knee: int, calls: int, base: float = BASE, seed: int = 1) -> list[int]:
    """Keep as many calls in flight as the pace allows; return the limits on the way."""
    dice = random.Random(seed)
    limits = []
    for _ in range(calls):
        seconds = latency(pace.limit, knee, base) * dice.uniform(0.9, 1.2)
        pace.answered(seconds, pace.limit)
        limits.append(pace.limit)
    return limits


@pytest.mark.parametrize("knee", [4, 8, 16, 32])
def test_it_settles_near_the_knee(knee: int) -> None:
    limits = run(Pace(), knee, 3000)[-500:]
    mean = sum(limits) / len(limits)
    # Enough to keep the server busy, and not so much that calls queue for long.
    assert 0.75 * knee <= mean <= 4 * knee


def test_it_shrinks_when_the_server_becomes_slow_and_recovers() -> None:
    pace = Pace()
    run(pace, 16, 2000)
    before = pace.limit
    slow = min(run(pace, 16, 50, base=20 * BASE))
    assert slow < before / 2
    after = run(pace, 16, 3000)[-1]
    assert after >= before / 2


def test_being_refused_halves_it_at_once_down_to_the_least() -> None:
    pace = at_ease(Pace(64, 2, 200))
    halved = []
    for _ in range(7):
        pace.exceeded()
        halved.append(pace.limit)
    assert halved == [32, 16, 8, 4, 2, 2, 2]


def test_after_refusals_it_recovers() -> None:
    pace = Pace()
    run(pace, 16, 1000)
    for _ in range(10):
        pace.exceeded()
    assert pace.limit == 2
    assert run(pace, 16, 1000)[-1] >= 8


def test_what_is_not_used_says_nothing_about_the_limit() -> None:
    pace = at_ease(Pace(100))
    for _ in range(400):
        pace.answered(BASE, min(3, pace.limit))
    assert pace.limit == 100


def test_it_looks_again_at_the_latency_at_ease_now_and_then() -> None:
    limits = run(Pace(), 32, 3000)
    looks = sum(before > 2 >= after for before, after in pairwise(limits))
    assert 4 <= looks <= 6
    assert sum(limit <= 2 for limit in limits) < len(limits) / 20


@pytest.mark.parametrize(("initial", "least", "most"), [(8, 2, 3), (8, 2, 1), (1, 4, 10)])
def test_what_it_begins_with_is_within_the_bounds_of_which_most_comes_first(
    initial: int, least: int, most: int
) -> None:
    pace = Pace(initial, least, most)
    limits = [pace.limit, *run(pace, 16, 300)]
    assert max(limits) <= most
    assert min(limits) >= min(least, most)


@given(
    st.lists(
        st.one_of(
            st.none(),
            st.tuples(st.floats(0.0, 120.0), st.integers(1, 300)),
        ),
        max_size=300,
    ),
    st.integers(1, 50),
    st.integers(0, 200),
)
def test_it_never_leaves_its_bounds(
    answers: list[tuple[float, int] | None], least: int, span: int
) -> None:
    pace = Pace(least, least, least + span)
    for answer in answers:
        if answer is None:
            pace.exceeded()
        else:
            pace.answered(*answer)
        assert least <= pace.limit <= least + span
