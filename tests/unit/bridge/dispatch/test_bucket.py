"""The tokens of a rate, over a clock that the test turns."""

from bisect import bisect_left
from collections.abc import Sequence
from itertools import pairwise
from math import inf

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.dispatch.bucket import Bucket


def used(bucket: Bucket, start: float, end: float, step: float) -> list[float]:
    """Take whatever there is, at every step; return the times."""
    calls, now = list[float](), start
    while now < end:
        while bucket.take(now) == 0.0:
            calls.append(now)
        now += step
    return calls


def most_in(times: Sequence[float], period: float) -> int:
    """Return the most of these times that lie within a period, its end excluded."""
    times = sorted(times)
    # Times that were computed in another order differ in their last digits.
    return max(
        (bisect_left(times, time + period - 1e-6) - at for at, time in enumerate(times)),
        default=0,
    )


@pytest.mark.parametrize(
    ("value", "per"), [(1, 1), (5, 1), (100, 1), (2000, 1), (3, 60), (7, 0.1)]
)
def test_a_limit_is_reached_and_never_exceeded(value: int, per: float) -> None:
    bucket = Bucket(per, 0.0)
    bucket.resize(value, 0.0, inf)
    calls = used(bucket, 0.0, 10 * per, min(0.001, per / 100))
    assert most_in(calls, per) <= value
    assert 0.85 * value * 10 <= len(calls) <= 10 * value + 1


def test_it_says_when_to_ask_again() -> None:
    bucket = Bucket(1.0, 0.0)
    bucket.resize(2, 0.0, inf)
    now, calls = 0.0, list[float]()
    while len(calls) < 10:
        wait = bucket.take(now)
        if wait == 0.0:
            calls.append(now)
        now += wait
    assert all(abs(later - earlier - 0.5) < 1e-6 for earlier, later in pairwise(calls))


def test_a_part_that_was_never_used_can_be_used_at_once() -> None:
    bucket = Bucket(3600.0, 5.0)
    bucket.resize(1, 5.0, inf)
    assert bucket.take(5.0) == 0.0


def test_a_part_that_was_free_for_half_of_a_period_needs_the_other_half() -> None:
    bucket = Bucket(60.0, 0.0)
    bucket.resize(1, 0.0, 30.0)
    assert bucket.take(0.0) == 30.0


def test_no_part_no_call() -> None:
    assert Bucket(1.0, 0.0).take(1e9) == inf


def test_a_clock_that_stands_still_or_goes_back_gives_nothing() -> None:
    bucket = Bucket(1.0, 10.0)
    bucket.resize(1, 10.0, inf)
    assert bucket.take(10.0) == 0.0
    assert bucket.take(0.0) > 0.0
    assert bucket.take(10.5) == pytest.approx(0.5)


PERIOD = 1.0

moves = st.lists(
    st.tuples(
        st.floats(0.0, 2.5),  # seconds until the move
        st.integers(0, 2),  # from whom
        st.integers(0, 2),  # to whom
        st.integers(1, 4),  # how many units
        st.floats(0.0, 0.4),  # for how long nobody has them
    ),
    max_size=12,
)


@given(st.integers(1, 30), moves, st.floats(0.003, 0.2))
@example(
    12, [(0.74609375, 0, 1, 4, 0.0)], 0.015625
)  # 13 calls: a large burst before, a higher rate after
@example(  # 3 calls: a part that left and came back within a period
    2, [(0.0, 0, 2, 1, 0.0), (1.25, 0, 2, 1, 0.0), (0.0, 2, 0, 2, 0.0)], 0.125
)
def test_daemons_together_never_exceed_the_limit_while_parts_pass(
    limit: int, moved: list[tuple[float, int, int, int, float]], step: float
) -> None:
    buckets = [Bucket(PERIOD, 0.0) for _ in range(3)]
    parts = [limit, 0, 0]
    buckets[0].resize(limit, 0.0, inf)
    now, calls = 0.0, list[float]()

    def run(until: float) -> None:
        nonlocal now
        while now < until:
            for bucket in buckets:
                while bucket.take(now) == 0.0:
                    calls.append(now)
            now = min(now + step, until)

    for pause, giver, taker, most, free in moved:
        run(now + pause)
        units = min(most, parts[giver])
        gives_all = units == parts[giver]
        if not units or giver == taker or (gives_all and buckets[giver].owes(now)):
            continue
        parts[giver] -= units
        buckets[giver].resize(parts[giver], now)
        run(now + free)
        parts[taker] += units
        buckets[taker].resize(parts[taker], now, units * free)
    run(now + 2.0)
    assert most_in(calls, PERIOD) <= limit
