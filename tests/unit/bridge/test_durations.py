"""Durations and rates are bounded wherever they are read, so that none fails later."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from bridge.operations.fields import Duration
from bridge.routes.model import Route
from bridge.runtime.durations import check_rate, check_seconds
from bridge.runtime.moments import moment
from bridge.settings.schema import Age, Seconds
from workflows.messages.durations import Duration as MessageDuration

TOO_LONG = ["999999d", "9999999999999999d", "9" * 400 + "d", 1e17, float("inf"), float("nan")]


@pytest.mark.parametrize("value", TOO_LONG, ids=str)
@pytest.mark.parametrize("kind", [Age, Seconds, Duration])
def test_settings_and_routes_refuse_what_is_too_long(kind: Any, value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize("value", ["9999999999999999d", "9" * 400 + "d", float("inf")], ids=str)
def test_events_of_the_pipelines_refuse_what_is_too_long(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(MessageDuration).validate_python(value)


@pytest.mark.parametrize("text", ["999999999d", "99999999999999d", "9" * 400 + "s"], ids=str)
def test_no_point_in_time_is_so_long_ago(text: str) -> None:
    with pytest.raises(ValueError, match="no point in time"):
        moment(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e300])
def test_flags_refuse_what_is_no_length_of_time_and_no_rate(value: float) -> None:
    with pytest.raises(ValueError, match="number of seconds"):
        check_seconds(float, value)
    with pytest.raises(ValueError, match="events a second"):
        check_rate(float, value)


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), 1e-300, 1e300])
def test_a_route_refuses_such_a_rate(rate: float) -> None:
    start = {"workflow": "W", "task_queue": "q"}
    with pytest.raises(ValidationError, match="rate"):
        Route.model_validate({"name": "a", "from": "a.b", "rate": rate, "start": start})
