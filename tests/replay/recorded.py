"""Whose histories are recorded, and how each of their branches is run."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from temporalio.client import WorkflowHandle

from tests.replay import branches as code_generation
from tests.replay import infra_provision_branches as infra_provision
from workflows.code_generation import CodeGenerationWorkflow
from workflows.infra_provision import InfraProvisionWorkflow


@dataclass(frozen=True)
class Recorded:
    """A workflow, its branches (each has a ``name``), and what runs one to its end."""

    workflow: type
    branches: Sequence[Any]
    run: Callable[..., Awaitable[WorkflowHandle[Any, Any]]]


RECORDED = {
    "code-generation": Recorded(
        CodeGenerationWorkflow, code_generation.BRANCHES, code_generation.run_branch
    ),
    "infra-provision": Recorded(
        InfraProvisionWorkflow, infra_provision.BRANCHES, infra_provision.run_branch
    ),
}
"""By the folder of their histories."""
