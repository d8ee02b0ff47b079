"""The catalogue says of the pipelines what they say of themselves."""

from collections.abc import Iterable
from enum import StrEnum

import pytest

from bridge import samples
from workflows.messages.approvals import ApprovalVerdict
from workflows.pipelines import (
    code_generation,
    complete_code_pipeline,
    devsecops_pipeline,
    infra_provision,
)
from workflows.pipelines.catalogue import PIPELINES, QUESTIONS, Pipeline, pipeline

BY_NAME = {each.name: each for each in PIPELINES}
MODULES = {
    "code-generation": code_generation,
    "infra-provision": infra_provision,
    "devsecops": devsecops_pipeline,
    "complete-code": complete_code_pipeline,
}


def told(pipeline: Pipeline) -> set[str]:
    """The types of the events by which its stages are told."""
    return {
        f"io.quantum-suite.{pipeline.domain}.{name}.v1"
        for stage in pipeline.stages
        for name in (*stage.done, *stage.warned, *stage.repeated)
    }


@pytest.mark.parametrize("name", MODULES)
def test_every_stage_is_told_by_events_that_there_are(name: str) -> None:
    emits: Iterable[str] = MODULES[name].Emits
    decided = {f"{about}-{verdict}.v1" for about in QUESTIONS for verdict in ApprovalVerdict}
    assert told(BY_NAME[name]) <= {str(event_type) for event_type in emits} | decided


def test_the_questions_are_those_that_are_asked() -> None:
    assert set(QUESTIONS) == {
        infra_provision.APPROVAL,
        infra_provision.CONFIRMATION,
        complete_code_pipeline.REVIEW,
    }


@pytest.mark.parametrize(
    "module", [infra_provision, devsecops_pipeline, complete_code_pipeline]
)
def test_the_stages_are_the_phases(module: object) -> None:
    phases: type[StrEnum] = module.Phase  # type: ignore[attr-defined]
    names = [name for name, each in MODULES.items() if each is module]
    assert [stage.phase for stage in BY_NAME[names[0]].stages] == [
        str(phase) for phase in phases
    ]


@pytest.mark.parametrize("name", BY_NAME)
def test_each_has_a_sample_of_its_name_that_begins_it(name: str) -> None:
    assert BY_NAME[name].event.encode() in samples.event(name)
    assert pipeline(name) is BY_NAME[name]


def test_there_is_no_other() -> None:
    assert pipeline("alchemy") is None
