"""The sandbox of workflow code, for workers and for replay tests."""

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

_LOADED_ONCE = (
    "eventstore",
    "msgspec",
    "workflows.errors",
    "workflows.messages",
    "workflows.pipelines.parts",
    "workflows.platform",
    "workflows.steps",
)
"""Packages without state. The sandbox loads them once; once for each run would be slow.

The modules that define workflows are not listed: the sandbox must check them.
"""


def sandbox() -> SandboxedWorkflowRunner:
    """Return the runner for our workflows."""
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*_LOADED_ONCE)
    )
