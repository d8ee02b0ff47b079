"""Limits of routes, as they are written and shown."""

from typing import Any

import pytest
from pydantic import ValidationError

from bridge.routes.limits import limits_shown
from bridge.routes.model import Route, RoutesFile

START = {"workflow": "W", "task_queue": "q"}


def route(**says: Any) -> Route:
    return Route.model_validate({"name": "a", "from": "a.b", "start": START, **says})


@pytest.mark.parametrize(
    ("rate", "limit", "per"),
    [
        (5, 5, 1.0),
        (2.5, 5, 2.0),
        (0.3, 3, 10.0),
        (0.0001, 1, 10_000.0),
        (1e6, 1_000_000, 1.0),
        ({"limit": 100, "per": "1m"}, 100, 60.0),
        ({"limit": 7}, 7, 1.0),
    ],
)
def test_a_rate_is_calls_in_a_period(rate: Any, limit: int, per: float) -> None:
    read = route(rate=rate).rate
    assert read is not None
    assert (read.limit, read.per, read.each) == (limit, per, None)


def test_the_number_and_the_mapping_are_the_same_route() -> None:
    assert route(rate=5).digest == route(rate={"limit": 5, "per": 1}).digest
    assert route(max_in_flight=4).digest == route(max_in_flight={"limit": 4}).digest


@pytest.mark.parametrize(
    ("says", "message"),
    [
        ({"rate": "5"}, "write the calls a second"),
        ({"rate": True}, "write the calls a second"),
        ({"rate": {"limit": 0}}, "greater than or equal to 1"),
        ({"rate": {"limit": 2.0}}, "valid integer"),
        ({"rate": {"limit": 5, "per": "soon"}}, "not a duration"),
        ({"rate": {"limit": 500_000, "per": "100ms"}}, "leave the limit out"),
        ({"rate": {"limit": 5, "each": "host"}}, "daemon"),
        ({"rate": {"limit": 5, "key": "data.a", "each": "daemon"}}, "cannot be used with key"),
        ({"rate": {"limit": 5, "key": "data."}}, "data."),
        ({"rate": {"limit": 5, "key": "data.a"}, "key": "data.b"}, "rate.key differ"),
        ({"max_in_flight": 1.5}, "write the calls at one time"),
        ({"max_in_flight": {"limit": 0}}, "greater than or equal to 1"),
        ({"max_in_flight": {"limit": 4, "per": "1s"}}, "per"),
    ],
)
def test_what_is_no_limit_is_refused(says: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        route(**says)


def test_the_key_of_a_rate_is_the_key_of_its_route() -> None:
    limited = route(rate={"limit": 5, "key": "data.customer"})
    assert limited.lane_key is not None
    assert limited.lane_key.text == "data.customer"
    assert route(rate={"limit": 5, "key": "data.a"}, key="data.a").lane_key is not None
    assert route().lane_key is None


def test_a_limit_is_the_same_in_another_process() -> None:
    limited = route(
        rate={"limit": 5, "per": "1m", "key": "data.customer"},
        max_in_flight={"limit": 3, "each": "daemon"},
    )
    text = RoutesFile(routes=(limited,)).model_dump_json(by_alias=True, exclude_defaults=True)
    assert RoutesFile.model_validate_json(text).routes[0] == limited


def test_limits_are_shown_in_words() -> None:
    limited = route(rate={"limit": 5, "per": "1m", "key": "data.a"}, max_in_flight=3)
    assert limits_shown(limited.rate, limited.max_in_flight) == (
        "5/60 s for each key, 3 at a time"
    )
    own = route(rate={"limit": 5, "each": "daemon"})
    assert limits_shown(own.rate, own.max_in_flight) == "5/s by each daemon"
    assert limits_shown(None, None) == ""
