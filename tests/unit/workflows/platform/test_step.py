"""Declarations and what they declare agree."""

import pkgutil
import re
from importlib import import_module
from types import ModuleType
from typing import get_type_hints

import pytest

from workflows import activities, errors, steps
from workflows.platform.policies import EMIT, GENERATION
from workflows.platform.queues import MODULES
from workflows.platform.step import Step


def modules_of(package: ModuleType) -> list[ModuleType]:
    return [
        import_module(f"{package.__name__}.{found.name}")
        for found in pkgutil.iter_modules(package.__path__)
    ]


DECLARED = {
    step.name: step
    for module in modules_of(steps)
    for step in vars(module).values()
    if isinstance(step, Step)
}
METHODS = {
    str(definition.name): method
    for module in modules_of(activities)
    for owner in vars(module).values()
    if isinstance(owner, type)
    for method in vars(owner).values()
    if (definition := getattr(method, "__temporal_activity_definition", None))
}


def test_every_step_has_its_activity_and_every_activity_its_step() -> None:
    assert set(METHODS) == set(DECLARED)


@pytest.mark.parametrize("name", DECLARED)
def test_the_signatures_agree(name: str) -> None:
    hints = get_type_hints(METHODS[name])
    assert hints.pop("return") is DECLARED[name].gives
    assert list(hints.values()) == [DECLARED[name].takes]


@pytest.mark.parametrize("name", DECLARED)
def test_a_step_is_named_after_a_module_that_there_is(name: str) -> None:
    module = DECLARED[name].module
    assert module is None or (module in MODULES and name.startswith(f"{module}."))


def test_permanent_errors_are_not_retried() -> None:
    names = errors.permanent_error_names()
    assert "PromptNotServedError" in names
    assert "ToolTimedOutError" not in names
    assert GENERATION.retry.non_retryable_error_types == names
    assert EMIT.retry.non_retryable_error_types == names


def test_the_limits_that_were_promised() -> None:
    assert GENERATION.start_to_close.total_seconds() == 600
    assert GENERATION.retry.initial_interval.total_seconds() == 1
    assert GENERATION.retry.backoff_coefficient == 2
    assert GENERATION.retry.maximum_interval is not None
    assert GENERATION.retry.maximum_interval.total_seconds() == 100
    assert GENERATION.retry.maximum_attempts == 3
    assert EMIT.retry.maximum_attempts == 0, "an emit is tried until it is stored"


def test_the_tree_in_the_docstring_is_the_tree() -> None:
    drawn = re.findall(r"^(?:[│ ]*[├└]── |    )(\w+)", str(errors.__doc__), re.MULTILINE)
    defined = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert set(drawn) == defined
