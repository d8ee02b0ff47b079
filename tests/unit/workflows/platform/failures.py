"""Failures as Temporal hands them to a workflow."""

from temporalio.exceptions import ActivityError, FailureError


def activity_error(
    cause: FailureError, activity: str = "qagent.generate_code"
) -> ActivityError:
    """What a workflow sees of an activity that failed for good."""
    error = ActivityError(
        "Activity task failed",
        scheduled_event_id=1,
        started_event_id=2,
        identity="worker",
        activity_type=activity,
        activity_id="1",
        retry_state=None,
    )
    error.__cause__ = cause
    return error
