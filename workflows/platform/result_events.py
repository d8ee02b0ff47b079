"""The result events of a workflow.

A workflow emits with ``await results.emit(type, message)``. Workflow code builds the event from
recorded history alone, and a separate activity appends it: the bridge's ``events.emit``, which
workflows in any language can call. If the activity that computed the result appended it, a
retry could store one result and return another.

Guarantees:

* When ``emit`` returns, the event is stored exactly once, also after process crashes.
* The events of a run are stored in the order in which they were emitted.
* An emit that has started completes even if the run is cancelled before.

=================  =====================================================================
attribute          value
=================  =====================================================================
``id``             UUIDv5 of workflow id, run id, activity id and place, in a namespace
                   that only the bridge knows
``source``         ``/temporal/<namespace>/<workflow type>``
``subject``        the workflow id
``time``           when the emit was scheduled, as recorded in its history
``correlationid``  of the triggering event; of a run started by hand the workflow id
``causationid``    the triggering event's id; absent when started by hand
``traceparent``    and ``tracestate``, as the triggering event had them
``hops``           one more than the triggering event's; 0 when started by hand
=================  =====================================================================
"""

import asyncio

from temporalio import workflow

from workflows.messages.message import Message
from workflows.messages.result_events import Emitted, ResultEvent
from workflows.platform.lineage import EMIT, EVENTS_QUEUE
from workflows.platform.policies import EMIT as UNTIL_STORED


class ResultEvents:
    """The result events of the current run. Make one in ``run``, and only there."""

    async def emit(self, event_type: str, message: Message) -> None:
        """Append one event with the message as its data; return when it is stored.

        Raises:
            ActivityError: The type is not a valid event type, or the store rejects the event. (If the
                bridge or the store is down, emit waits without a limit.)
            asyncio.CancelledError: The run was cancelled; the event is stored.
        """
        append = asyncio.create_task(_append(event_type, message))
        try:
            await asyncio.shield(append)
        except asyncio.CancelledError:
            await append
            raise

    async def close(self, event_type: str, message: Message) -> None:
        """Append the closing event of the run.

        Like ``emit``, but a cancellation during the call is ignored: the run must end
        as the event says.
        """
        append = asyncio.create_task(_append(event_type, message))
        try:
            await asyncio.shield(append)
        except asyncio.CancelledError:
            await append


async def _append(event_type: str, message: Message) -> None:
    workflow.logger.info("result event", extra={"type": event_type})
    await workflow.execute_activity(
        EMIT,
        ResultEvent(type=event_type, data=message.model_dump(mode="json")),
        result_type=Emitted,
        task_queue=EVENTS_QUEUE,
        start_to_close_timeout=UNTIL_STORED.start_to_close,
        retry_policy=UNTIL_STORED.retry,
        summary=event_type,
    )
