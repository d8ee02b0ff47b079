"""The sandbox that workflow code runs in, here and in replay tests alike."""

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
"""Packages that hold no state. They are loaded once, not for each run, which would be slow.

The modules that define workflows are not among them: they are what the sandbox watches.
"""


def sandbox() -> SandboxedWorkflowRunner:
    """Return the runner for our workflows."""
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*_LOADED_ONCE)
    )
