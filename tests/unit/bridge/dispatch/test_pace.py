"""Pace against simulated servers: near the knee, within its bounds, and back again."""

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.dispatch.pace import Pace
from tests.unit.bridge.dispatch.builders import BASE, at_ease


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
    # Enough to keep the server busy, and no more than makes a call take three times what it takes alone.
    assert 2 * knee <= mean <= 3.3 * knee


def test_looks_at_a_server_that_still_works_on_the_last_burst_mislead_it_little() -> None:
    pace, dice = Pace(), random.Random(1)
    limits, left_behind = [], 1.0
    for _ in range(6000):
        if not pace.looking:
            # Two of three looks find a server that is three times as slow as it is.
            left_behind = 3.0 if dice.random() < 2 / 3 else 1.0
        found = latency(pace.limit, 4) * (left_behind if pace.looking else 1.0)
        pace.answered(found, pace.limit)
        limits.append(pace.limit)
    late = limits[-2000:]
    assert sum(late) / len(late) <= 3.3 * 4


def test_a_server_that_answers_sooner_than_our_own_loop_turns_is_not_measured_so_finely() -> (
    None
):
    limits = run(Pace(), 4, 3000, base=BASE / 100)[-500:]
    assert sum(limits) / len(limits) > 20


def test_a_server_that_has_become_slower_for_good_is_believed() -> None:
    pace = Pace()
    run(pace, 16, 2000)
    before = pace.limit
    run(pace, 16, 6000, base=5 * BASE)
    assert pace.limit >= before / 2


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


def looks(limits: list[int]) -> int:
    return sum(before > 1 >= after for before, after in pairwise(limits))


def test_it_looks_again_at_what_a_call_takes_alone_now_and_then() -> None:
    # 250 calls a second: 500 calls take the two seconds that lie between two looks at least.
    limits = run(Pace(), 8, 3000, base=8 / 250)
    assert 7 <= looks(limits) <= 9
    assert sum(limit == 1 for limit in limits) < len(limits) / 20


def test_it_looks_at_a_fast_server_by_time_not_by_calls() -> None:
    # 1,600 calls a second: 12,800 take eight seconds, after three first looks.
    limits = run(Pace(), 32, 12_800)
    assert 6 <= looks(limits) <= 7


def test_calls_with_company_say_nothing_in_a_look_and_a_look_can_be_given_up() -> None:
    pace = at_ease(Pace(8))
    while pace.limit > 1:
        pace.answered(BASE, 8)
    for _ in range(100):
        pace.answered(50 * BASE, 5)
        assert pace.limit == 1
    pace.end_look()
    assert pace.limit > 1
    # What it knew before it still knows.
    assert run(pace, 8, 500)[-1] >= 8


@pytest.mark.parametrize(("initial", "least", "most"), [(8, 2, 3), (8, 2, 1), (1, 4, 10)])
def test_what_it_begins_with_is_within_the_bounds_of_which_most_comes_first(
    initial: int, least: int, most: int
) -> None:
    pace = Pace(initial, least, most)
    limits = [pace.limit, *run(pace, 16, 300)]
    assert max(limits) <= most
    # One at a time in a look only.
    assert min(limits[:20]) >= min(least, most)
    assert {limit for limit in limits if limit < min(least, most)} <= {1}


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
        assert pace.limit == 1 if pace.looking else least <= pace.limit <= least + span
