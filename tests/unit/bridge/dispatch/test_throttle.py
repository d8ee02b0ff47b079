"""The limits of single routes, over a clock that the test turns."""

from math import inf

from hypothesis import given
from hypothesis import strategies as st

from bridge.dispatch.throttle import Throttle
from bridge.routes.model import Route
from tests.support.daemon_parts import route


def throttle(**limits: float) -> Throttle:
    routes: dict[str, Route] = {"limited": route("limited", **limits), "free": route("free")}
    return Throttle(routes.get)


def test_only_so_many_calls_of_a_route_are_in_flight() -> None:
    gate = throttle(max_in_flight=2)
    assert [gate.admit("limited", 0.0) for _ in range(3)] == [0.0, 0.0, inf]
    gate.ended("limited")
    assert gate.admit("limited", 0.0) == 0.0
    assert gate.admit("limited", 1e9) == inf


def test_others_are_not_held_back() -> None:
    gate = throttle(max_in_flight=1, rate=1)
    for _ in range(5):
        gate.admit("limited", 0.0)
    assert [gate.admit("free", 0.0) for _ in range(100)] == [0.0] * 100
    assert [gate.admit("gone", 0.0) for _ in range(100)] == [0.0] * 100


@given(
    st.floats(0.5, 500.0),
    st.lists(st.floats(0.0, 0.5), min_size=1, max_size=200),
)
def test_a_rate_is_kept_over_any_time(rate: float, steps: list[float]) -> None:
    gate = throttle(rate=rate)
    now, admitted = 1000.0, 0
    begin = now
    for step in steps:
        now += step
        while gate.admit("limited", now) == 0.0:
            gate.ended("limited")
            admitted += 1
            assert admitted <= rate * (now - begin + 0.2) + 2
    if now - begin > 4 / rate and max(steps) < 1 / rate:
        assert admitted >= rate * (now - begin) * 0.5 - 2


def test_it_says_when_to_ask_again() -> None:
    gate = throttle(rate=2)
    now = 0.0
    admitted = [now]
    while len(admitted) < 10:
        wait = gate.admit("limited", now)
        if wait == 0.0:
            admitted.append(now)
        now += wait + 1e-6
    assert 3.0 < admitted[-1] - admitted[0] < 4.7
