"""The module of the workflows that use several of the others; it has no steps of its own."""

from workflows.complete_code_pipeline import CompleteCodePipelineWorkflow
from workflows.devsecops_pipeline import DevSecOpsPipelineWorkflow
from workflows.modules.module import Means, Module


def build(_means: Means) -> Module:
    """Return the workflows."""
    return Module(
        workflows=(DevSecOpsPipelineWorkflow, CompleteCodePipelineWorkflow), activities=()
    )
