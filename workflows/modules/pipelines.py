"""The module of the workflows that use several of the others; it has no steps of its own."""

from workflows.modules.module import Means, Module
from workflows.pipelines.complete_code_pipeline import CompleteCodePipelineWorkflow
from workflows.pipelines.devsecops_pipeline import DevSecOpsPipelineWorkflow


def build(_means: Means) -> Module:
    """Return the workflows."""
    return Module(
        workflows=(DevSecOpsPipelineWorkflow, CompleteCodePipelineWorkflow), activities=()
    )
