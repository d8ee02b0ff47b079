"""Declarations and what they declare agree."""

import re
from typing import get_type_hints

import pytest

from workflows import errors, steps
from workflows.activities.qagent import QAgentActivities
from workflows.activities.result_events import ResultEventActivities
from workflows.policies import EMIT, GENERATION
from workflows.steps import Step

DECLARED = {step.name: step for step in vars(steps).values() if isinstance(step, Step)}
METHODS = {
    str(definition.name): method
    for owner in (QAgentActivities, ResultEventActivities)
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
