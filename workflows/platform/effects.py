"""The key that identifies the effects of a run."""

from temporalio import workflow


def effect_key() -> str:
    """Return the key of the current run's effects.

    It is the same for all attempts of a step and after continue-as-new. Every other run has
    another key, also a run that reuses the workflow id.
    """
    info = workflow.info()
    return f"{info.workflow_id}/{info.first_execution_run_id}"
