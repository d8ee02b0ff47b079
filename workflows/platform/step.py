"""What a declaration is: an activity that a workflow calls like a function."""

import asyncio
from dataclasses import dataclass
from typing import Generic, TypeVar

from temporalio import workflow

from workflows.messages.message import Message
from workflows.platform.policies import Policy
from workflows.platform.queues import queue_beside

Taken = TypeVar("Taken", bound=Message)
Given = TypeVar("Given", bound=Message)


@dataclass(frozen=True, kw_only=True)
class Step(Generic[Taken, Given]):
    """An activity: one message in, one out.

    ``module`` names whose workers do it; without one it is on the workflow's own queue.
    """

    name: str
    takes: type[Taken]
    gives: type[Given]
    policy: Policy
    summary: str
    module: str | None = None

    async def __call__(
        self, message: Taken, *, summary: str | None = None, policy: Policy | None = None
    ) -> Given:
        """Run the activity on its module's task queue (``workflows.platform.queues``).

        Args:
            message: What the activity takes.
            summary: The line that Temporal's web UI shows; by default the step's own.
            policy: The limits and retries; by default the step's own.

        Raises:
            ActivityError: When the policy's tries are used up, the failure is permanent or
                the run is cancelled.
        """
        limits = policy or self.policy
        own = workflow.info().task_queue
        given: Given = await workflow.execute_activity(
            self.name,
            message,
            result_type=self.gives,
            task_queue=queue_beside(own, self.module) if self.module else own,
            start_to_close_timeout=limits.start_to_close,
            heartbeat_timeout=limits.heartbeat,
            retry_policy=limits.retry,
            summary=summary or self.summary,
            cancellation_type=_CANCELLATION[limits.waits],
        )
        if limits.waits:
            _heed_cancellation()
        return given


_CANCELLATION = {
    False: workflow.ActivityCancellationType.TRY_CANCEL,
    True: workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
}


def _heed_cancellation() -> None:
    """Raise when the task was cancelled while it waited for an activity that ended well.

    The SDK then returns what the activity gave, and the cancellation would be forgotten.

    Raises:
        asyncio.CancelledError: It was.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
