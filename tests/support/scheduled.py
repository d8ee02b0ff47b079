"""What a run has asked Temporal for: its activities, as its history has them."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio.client import WorkflowHistory
from temporalio.converter import PayloadConverter

BESIDE_THE_STEPS = frozenset({"events.emit", "qinfra.notify"})
"""What a step's limits do not hold for: an event must not be lost, people not be waited for."""

UNDOING = frozenset(
    {
        "qagent.cleanup_code",
        "qinfra.roll_back",
        "qinfra.roll_back_deployment",
        "qsre.remove_monitoring",
        "qtest.cleanup_tests",
    }
)


@dataclass(frozen=True)
class Scheduled:
    """An activity as it was scheduled."""

    name: str
    summary: str
    start_to_close: timedelta
    tries: int
    first_wait: timedelta
    coefficient: float
    longest_wait: timedelta


def scheduled(history: WorkflowHistory) -> list[Scheduled]:
    """The activities of a run, in order."""
    found = []
    for event in history.events:
        if event.HasField("activity_task_scheduled_event_attributes"):
            asked = event.activity_task_scheduled_event_attributes
            told = event.user_metadata.summary
            found.append(
                Scheduled(
                    name=asked.activity_type.name,
                    summary=PayloadConverter.default.from_payload(told) if told.data else "",
                    start_to_close=asked.start_to_close_timeout.ToTimedelta(),
                    tries=asked.retry_policy.maximum_attempts,
                    first_wait=asked.retry_policy.initial_interval.ToTimedelta(),
                    coefficient=asked.retry_policy.backoff_coefficient,
                    longest_wait=asked.retry_policy.maximum_interval.ToTimedelta(),
                )
            )
    return found


def assert_limits(history: WorkflowHistory, start_to_close: timedelta, tries: int) -> None:
    """Assert that every step of a run, what is undone apart, was given these limits."""
    steps = [each for each in scheduled(history) if each.name not in UNDOING | BESIDE_THE_STEPS]
    assert steps
    for step in steps:
        assert (step.start_to_close, step.tries) == (start_to_close, tries), step
        assert (step.first_wait, step.coefficient) == (timedelta(seconds=1), 2), step
        assert step.longest_wait == timedelta(seconds=100), step
