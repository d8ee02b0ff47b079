"""Whose histories are recorded, and how each of their branches is run."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.client import WorkflowHandle

from tests.replay import branches as code_generation
from tests.replay import infra_provision_branches as infra_provision
from tests.replay import infra_provision_runs
from tests.support import scenarios
from workflows.pipelines.code_generation import CodeGenerationWorkflow
from workflows.pipelines.complete_code_pipeline import CompleteCodePipelineWorkflow
from workflows.pipelines.devsecops_pipeline import DevSecOpsPipelineWorkflow
from workflows.pipelines.infra_provision import InfraProvisionWorkflow


@dataclass(frozen=True)
class Recorded:
    """A workflow, its branches (each has a ``name``), and what runs one to its end.

    Those that need a whole system have no ``run``: see `tests.replay.record_pipelines`.
    """

    workflow: type
    branches: Sequence[Any]
    run: Callable[..., Awaitable[WorkflowHandle[Any, Any]]] | None


RECORDED = {
    "code-generation": Recorded(
        CodeGenerationWorkflow, code_generation.BRANCHES, code_generation.run_branch
    ),
    "infra-provision": Recorded(
        InfraProvisionWorkflow, infra_provision.BRANCHES, infra_provision_runs.run_branch
    ),
    "devsecops": Recorded(
        DevSecOpsPipelineWorkflow, (*scenarios.DEVSECOPS, scenarios.IMPACT_TOO_HIGH), None
    ),
    "complete-code": Recorded(
        CompleteCodePipelineWorkflow,
        (*scenarios.COMPLETE_CODE, scenarios.REVIEW_TIMED_OUT),
        None,
    ),
}
"""By the folder of their histories."""
