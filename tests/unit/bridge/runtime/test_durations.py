"""Durations and rates are bounded wherever they are read, so that none fails later."""

from datetime import timedelta
from typing import Any

import pytest
from cyclopts import App, CycloptsError
from pydantic import TypeAdapter, ValidationError

from bridge.cli.common import SecondsFlag
from bridge.operations.fields import Duration as RouteDuration
from bridge.routes.model import Route
from bridge.runtime.durations import Duration, check_rate, check_seconds, moment, read_duration
from bridge.settings.sources import from_environment, load
from workflows.commands.host import SecondsFlag as WorkflowSecondsFlag
from workflows.config import WorkerSettings
from workflows.messages.durations import Duration as MessageDuration

GRAMMAR = [
    ("500ms", 0.5),
    ("30s", 30),
    ("10m", 600),
    ("2h", 7200),
    ("7d", 604_800),
    ("1.5h", 5400),
    ("1h30m", 5400),
    ("1d2h3m4s", 93_784),
]
WRONG = ["", "m", "5 m", "-5m", "5w", "1h30", "1h,30m", "PT1H30"]

TOO_LONG = ["999999d", "9999999999999999d", "9" * 400 + "d", 1e17, float("inf"), float("nan")]


@pytest.mark.parametrize("value", TOO_LONG, ids=str)
@pytest.mark.parametrize("kind", [Duration, RouteDuration])
def test_settings_and_routes_refuse_what_is_too_long(kind: Any, value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value)


@pytest.mark.parametrize("value", ["9999999999999999d", "9" * 400 + "d", float("inf")], ids=str)
def test_events_of_the_pipelines_refuse_what_is_too_long(value: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(MessageDuration).validate_python(value)


@pytest.mark.parametrize("text", ["999999999d", "99999999999999d", "9" * 400 + "s"], ids=str)
def test_a_point_in_time_too_long_ago_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a point in time"):
        moment(text)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0, 1e300])
def test_flags_refuse_what_is_no_length_of_time_and_no_rate(value: float) -> None:
    with pytest.raises(ValueError, match="seconds"):
        check_seconds(float, value)
    with pytest.raises(ValueError, match="events a second"):
        check_rate(float, value)


@pytest.mark.parametrize("rate", [float("nan"), float("inf"), 1e-300, 1e300])
def test_a_route_refuses_such_a_rate(rate: float) -> None:
    start = {"workflow": "W", "task_queue": "q"}
    with pytest.raises(ValidationError, match="rate"):
        Route.model_validate({"name": "a", "from": "a.b", "rate": rate, "start": start})


@pytest.mark.parametrize(("text", "seconds"), GRAMMAR)
def test_one_grammar_everywhere(text: str, seconds: float) -> None:
    assert read_duration(text) == seconds
    assert TypeAdapter(Duration).validate_python(text) == seconds
    assert TypeAdapter(RouteDuration).validate_python(text) == seconds
    assert TypeAdapter(MessageDuration).validate_python(text) == timedelta(seconds=seconds)
    assert moment(text) == timedelta(seconds=seconds)
    for flag in (SecondsFlag, WorkflowSecondsFlag):
        assert _flag(flag, text) == seconds
        assert _flag(flag | None, text) == seconds


@pytest.mark.parametrize("text", WRONG)
def test_what_is_not_a_duration_is_refused_everywhere(text: str) -> None:
    assert read_duration(text) is None
    for kind in (Duration, RouteDuration):
        with pytest.raises(ValidationError, match="is not a duration"):
            TypeAdapter(kind).validate_python(text)
    with pytest.raises(ValidationError):
        TypeAdapter(MessageDuration).validate_python(text)
    with pytest.raises(ValueError, match="is not a point in time"):
        moment(text)
    with pytest.raises(CycloptsError, match="is not a duration"):
        _flag(SecondsFlag, text)


def test_settings_and_flags_take_plain_seconds_too() -> None:
    assert TypeAdapter(Duration).validate_python("90") == 90
    assert TypeAdapter(Duration).validate_python(1.5) == 1.5
    assert _flag(SecondsFlag, "90") == 90


@pytest.mark.parametrize(
    "key",
    [
        "temporal.call_timeout", "database.deadline", "intake.ack_wait", "retention.dispatches",
        "retention.deliveries", "health.every", "health.source_lag", "health.relay_lag",
        "health.dispatch_lag", "stop_within",
    ],
)  # fmt: skip
def test_each_duration_among_the_settings(key: str) -> None:
    name = "NTBRIDGE_" + key.upper().replace(".", "__")
    value: Any = load([from_environment({name: "1h30m"})]).settings
    for part in key.split("."):
        value = getattr(value, part)
    assert value == 5400


def test_the_stop_of_a_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NTBRIDGE_WORKER_STOP_WITHIN", "1m30s")
    monkeypatch.setenv("DATABASE_URL", "postgresql://u@127.0.0.1/d")
    assert WorkerSettings().stop_within == 90


def _flag(kind: Any, text: str) -> float:
    app = App(result_action="return_value")

    @app.default
    def command(*, timeout: kind) -> float:
        return timeout  # type: ignore[no-any-return]

    called, bound, _ = app.parse_args(
        [f"--timeout={text}"], exit_on_error=False, print_error=False
    )
    found: float = called(*bound.args, **bound.kwargs)
    return found
