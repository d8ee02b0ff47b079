"""The limits of single routes, over a clock that the test turns."""

from math import inf
from typing import Any

import pytest
from typing_extensions import override

from bridge.dispatch.sharing import Kind
from bridge.dispatch.throttle import Group, Share, Throttle, Whole
from bridge.routes.model import Route
from tests.support.daemon_parts import route

LIMITED, FREE, GONE = Group("limited", ""), Group("free", ""), Group("gone", "")


class Parts(Whole):
    """As much of each limit as the test says."""

    def __init__(self) -> None:
        super().__init__()
        self.part = Share()

    @override
    def share(self, route: str, kind: Kind, limit: int) -> Share:
        return self.part


def throttle(shares: Parts | None = None, **limits: Any) -> Throttle:
    routes: dict[str, Route] = {"limited": route("limited", **limits), "free": route("free")}
    return Throttle(routes.get, shares)


def rate_of(**rate: Any) -> Throttle:
    """A throttle of a route without a key of its own, so that the rate can have one."""
    says = {"workflow": "W", "task_queue": "q"}
    limited = Route.model_validate(
        {"name": "limited", "from": "a.b", "rate": rate, "start": says}
    )
    return Throttle({"limited": limited}.get)


def test_only_so_many_calls_of_a_route_are_in_flight() -> None:
    gate = throttle(max_in_flight=2)
    assert [gate.admit(LIMITED, 0.0) for _ in range(3)] == [0.0, 0.0, inf]
    gate.ended("limited")
    assert gate.admit(LIMITED, 0.0) == 0.0
    assert gate.admit(LIMITED, 1e9) == inf


def test_others_are_not_held_back() -> None:
    gate = throttle(max_in_flight=1, rate=1)
    for _ in range(5):
        gate.admit(LIMITED, 0.0)
    assert [gate.admit(FREE, 0.0) for _ in range(100)] == [0.0] * 100
    assert [gate.admit(GONE, 0.0) for _ in range(100)] == [0.0] * 100


def test_a_rate_is_calls_in_a_period() -> None:
    gate = throttle(rate={"limit": 2, "per": "1m"})
    assert gate.admit(LIMITED, 0.0) == 0.0
    assert gate.admit(LIMITED, 0.0) == pytest.approx(30.0)
    assert gate.admit(LIMITED, 30.0) == 0.0
    assert gate.admit(LIMITED, 59.0) == pytest.approx(1.0)


def test_a_call_that_the_rate_holds_back_takes_no_place_in_flight() -> None:
    gate = throttle(rate=1, max_in_flight=2)
    assert gate.admit(LIMITED, 0.0) == 0.0
    assert gate.admit(LIMITED, 0.1) > 0.0
    assert gate.admit(LIMITED, 1.0) == 0.0
    assert gate.admit(LIMITED, 9.0) == inf


def test_only_this_daemons_part_counts() -> None:
    shares = Parts()
    gate = throttle(shares, max_in_flight=10)
    assert gate.admit(LIMITED, 0.0) == inf
    shares.part.value = 2
    assert [gate.admit(LIMITED, 0.0) for _ in range(3)] == [0.0, 0.0, inf]
    assert shares.part.in_use == 2
    shares.part.value = 1
    gate.ended("limited")
    assert gate.admit(LIMITED, 0.0) == inf
    gate.ended("limited")
    assert (shares.part.in_use, gate.admit(LIMITED, 0.0)) == (0, 0.0)


def test_a_part_that_was_gained_begins_empty_but_for_the_time_it_was_free() -> None:
    shares = Parts()
    gate = throttle(shares, rate={"limit": 4, "per": "40s"})
    assert gate.admit(LIMITED, 100.0) == inf
    shares.part.value = 2
    shares.part.gained(2 * 5.0)
    assert gate.admit(LIMITED, 100.0) == pytest.approx(15.0)
    assert gate.admit(LIMITED, 115.0) == 0.0


def test_a_limit_of_each_daemon_is_not_shared() -> None:
    shares = Parts()
    gate = throttle(shares, max_in_flight={"limit": 2, "each": "daemon"})
    assert [gate.admit(LIMITED, 0.0) for _ in range(3)] == [0.0, 0.0, inf]
    gate = throttle(shares, rate={"limit": 1, "per": "1m", "each": "daemon"})
    assert [gate.admit(LIMITED, 0.0) for _ in range(2)] == [0.0, pytest.approx(60.0)]


def test_each_key_of_a_rate_is_counted_apart() -> None:
    gate = rate_of(limit=1, per="1m", key="data.customer")
    a, b = gate.group("limited", "a"), gate.group("limited", "b")
    assert a != b
    assert gate.admit(a, 0.0) == 0.0
    assert gate.admit(a, 20.0) == pytest.approx(40.0)
    assert gate.admit(b, 20.0) == 0.0


def test_a_key_whose_partition_comes_from_another_daemon_begins_empty() -> None:
    gate = rate_of(limit=1, per="1m", key="data.customer")
    key = gate.group("limited", "a")
    assert gate.admit(key, 100.0, free_since=90.0) == pytest.approx(50.0)
    assert gate.admit(key, 150.0, free_since=90.0) == 0.0
    # Meanwhile another daemon had it, and may have called a moment ago.
    assert gate.admit(key, 300.0, free_since=299.0) == pytest.approx(59.0)


def test_no_call_of_a_key_while_another_daemon_may_have_its_partition() -> None:
    says = {"workflow": "W", "task_queue": "q"}
    rate = {"limit": 5, "key": "data.customer"}
    limited = Route.model_validate(
        {"name": "limited", "from": "a.b", "rate": rate, "start": says}
    )
    certain = False
    gate = Throttle({"limited": limited}.get, None, lambda: certain)
    assert gate.admit(Group("limited", "a"), 0.0) == inf
    certain = True
    assert gate.admit(Group("limited", "a"), 0.0) == 0.0


def test_buckets_of_keys_that_are_as_full_as_new_ones_are_dropped() -> None:
    gate = rate_of(limit=1, per="1s", key="data.customer")
    for number in range(20_000):
        assert gate.admit(Group("limited", str(number)), number * 0.001) == 0.0
    assert gate.keys < 10_000
    assert gate.admit(Group("limited", "19999"), 20.0) > 0.0


def test_a_limit_that_changes_counts_from_then_on() -> None:
    routes = {"limited": route("limited", rate={"limit": 1, "per": "10s"})}
    gate = Throttle(routes.get)
    assert [gate.admit(LIMITED, 0.0) for _ in range(2)] == [0.0, pytest.approx(10.0)]
    routes["limited"] = route("limited", rate={"limit": 10, "per": "10s"})
    assert 0.0 < gate.admit(LIMITED, 0.0) <= 1.0
    routes["limited"] = route("limited")
    assert [gate.admit(LIMITED, 0.0) for _ in range(9)] == [0.0] * 9
