"""The sandbox that workflow code runs in, here and in replay tests alike."""

from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

_LOADED_ONCE = (
    "eventstore",
    "msgspec",
    "workflows.approval",
    "workflows.conclusion",
    "workflows.effects",
    "workflows.errors",
    "workflows.failures",
    "workflows.inbox",
    "workflows.inputs",
    "workflows.lineage",
    "workflows.making",
    "workflows.messages",
    "workflows.phases",
    "workflows.policies",
    "workflows.provenance",
    "workflows.queues",
    "workflows.releasing",
    "workflows.result_events",
    "workflows.saga",
    "workflows.scanning",
    "workflows.steps",
)
"""Modules that hold no state, and so need not be loaded anew for each run, which is slow.

The modules that define workflows are not among them: they are what the sandbox watches.
"""


def sandbox() -> SandboxedWorkflowRunner:
    """Return the runner for our workflows."""
    return SandboxedWorkflowRunner(
        restrictions=SandboxRestrictions.default.with_passthrough_modules(*_LOADED_ONCE)
    )
