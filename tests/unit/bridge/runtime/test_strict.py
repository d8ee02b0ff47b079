"""Numbers are numbers and names have room, in every field of routes and settings."""

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from bridge.routes.model import Route, RoutesFile
from bridge.settings.schema import Settings

NUMBERS = {int, float}


def parts(annotation: Any) -> Iterator[Any]:
    yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from parts(part)


def models(model: type[BaseModel], seen: set[type[BaseModel]]) -> set[type[BaseModel]]:
    seen.add(model)
    for field in model.model_fields.values():
        for part in parts(field.annotation):
            if isinstance(part, type) and issubclass(part, BaseModel) and part not in seen:
                models(part, seen)
    return seen


def fields(root: type[BaseModel]) -> list[tuple[type[BaseModel], str, set[Any]]]:
    """Every field below a model, and the types that it takes."""
    return [
        (model, name, set(parts(field.annotation)))
        for model in sorted(models(root, set()), key=lambda each: each.__name__)
        for name, field in model.model_fields.items()
    ]


ALL = fields(RoutesFile) + fields(Settings)


def refused(model: type[BaseModel], name: str, value: Any) -> bool:
    field = model.model_fields[name]
    key = field.alias or name
    try:
        model.model_validate({key: value})
    except ValidationError as error:
        return any(detail["loc"][:1] == (key,) for detail in error.errors())
    return False


@pytest.mark.parametrize(
    ("model", "name"),
    [
        pytest.param(model, name, id=f"{model.__name__}.{name}")
        for model, name, takes in ALL
        if takes & NUMBERS and bool not in takes
    ],
)
def test_a_truth_value_is_no_number(model: type[BaseModel], name: str) -> None:
    for value in (True, False):
        assert refused(model, name, value)


@pytest.mark.parametrize(
    ("model", "name"),
    [
        pytest.param(model, name, id=f"{model.__name__}.{name}")
        for model, name, takes in ALL
        if bool in takes
    ],
)
def test_a_number_is_no_truth_value(model: type[BaseModel], name: str) -> None:
    assert refused(model, name, 1)
    assert refused(model, name, 0.0)


def test_what_an_environment_says_is_read_as_a_number_and_a_truth_value() -> None:
    settings = Settings.model_validate(
        {"dispatch": {"in_flight": "9"}, "temporal": {"tls": "true"}}
    )
    assert (settings.dispatch.in_flight, settings.temporal.tls) == (9, True)


START = {"workflow": "W", "task_queue": "q"}
TWO_BYTES = "ü"


@pytest.mark.parametrize(
    ("says", "place"),
    [
        ({"start": {**START, "workflow": TWO_BYTES * 501}}, "workflow"),
        ({"start": {**START, "task_queue": TWO_BYTES * 501}}, "task_queue"),
        ({"start": {**START, "static_summary": TWO_BYTES * 201}}, "static_summary"),
        ({"start": {**START, "static_details": TWO_BYTES * 10_001}}, "static_details"),
        ({"signal": {"signal": TWO_BYTES * 501, "workflow_id": "'a'"}}, "signal"),
        ({"update": {"update": TWO_BYTES * 501, "workflow_id": "'a'"}}, "update"),
        ({"terminate": {"reason": TWO_BYTES * 501, "workflow_id": "'a'"}}, "reason"),
        (
            {
                "start": {
                    **START,
                    "versioning_override": {
                        "deployment_name": TWO_BYTES * 501,
                        "build_id": "1",
                    },
                }
            },
            "deployment_name",
        ),
        ({"start": {**START, "priority_key": 2**31}}, "priority_key"),
        ({"start": {**START, "retry_policy": {"maximum_attempts": 2**31}}}, "maximum_attempts"),
        (
            {
                "start": {
                    **START,
                    "retry_policy": {"initial_interval": "10s", "maximum_interval": "1s"},
                }
            },
            "retry_policy",
        ),
        ({"max_in_flight": "5", "start": START}, "max_in_flight"),
        ({"rate": "5", "start": START}, "rate"),
    ],
)
def test_what_temporal_would_refuse_for_every_event_is_refused_when_it_is_loaded(
    says: dict[str, Any], place: str
) -> None:
    with pytest.raises(ValidationError) as raised:
        Route.model_validate({"name": "r", "from": "events.>", **says})
    assert any(place in detail["loc"] for detail in raised.value.errors())


def test_names_of_just_the_bytes_that_temporal_takes_are_taken() -> None:
    name = TWO_BYTES * 500
    start = {"workflow": name, "task_queue": name, "static_summary": TWO_BYTES * 200}
    route = Route.model_validate({"name": "r", "from": "events.>", "start": start})
    assert route.start is not None
    assert route.start.workflow == name


def test_the_queue_of_emits_is_bounded_in_bytes() -> None:
    with pytest.raises(ValidationError, match="1002 bytes"):
        Settings.model_validate({"emit": {"task_queue": TWO_BYTES * 501}})
