"""The declaration of an activity, which a workflow calls like a function."""

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

    ``module`` names the module whose workers run it; None: the queue of the workflow.
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
            summary: Text in Temporal's web UI; default: that of the step.
            policy: Timeouts and retries; default: those of the step.

        Raises:
            ActivityError: The attempts are used up, the failure is permanent, or the run
                was cancelled.
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
    """Raise if the task was cancelled while it waited for an activity that succeeded.

    The SDK then returns the result of the activity, and the cancellation would be lost.

    Raises:
        asyncio.CancelledError: The task was cancelled.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
