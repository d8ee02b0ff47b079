"""How a run's effects on the world are told apart from those of others, and from repeats."""

from temporalio import workflow


def effect_key() -> str:
    """Return the key under which the current run changes things.

    The same for every try of a step, and for the runs that continue this one; another for every
    other run, also one that reuses the workflow id.
    """
    info = workflow.info()
    return f"{info.workflow_id}/{info.first_execution_run_id}"
