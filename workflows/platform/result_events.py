"""How a workflow tells the world what came of it.

A workflow emits with ``await results.emit(type, message)``. The event is decided here, in
workflow code, from recorded history alone, and appended by an activity of its own: the
bridge's ``events.emit``, which a workflow in any language calls likewise. Were it appended by
the activity that computed the result, a retry could store one result and return another.

What is guaranteed:

* When ``emit`` returns, the event is stored, once, however often a process was killed meanwhile.
* Events of one run are stored in the order in which they were emitted.
* An emit that has begun is finished even when the run is cancelled meanwhile.

=================  =====================================================================
attribute          value
=================  =====================================================================
``id``             UUIDv5 of workflow id, run id, activity id and place
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
            ActivityError: When the type is no event type, or the store will never take this
                event. (A bridge or a store that is down is waited for, however long it takes.)
            asyncio.CancelledError: When the run was cancelled meanwhile; the event is stored.
        """
        append = asyncio.create_task(_append(event_type, message))
        try:
            await asyncio.shield(append)
        except asyncio.CancelledError:
            await append
            raise

    async def close(self, event_type: str, message: Message) -> None:
        """Append the event that says how the run ended.

        As ``emit``, but a cancellation that arrives meanwhile is too late to change anything:
        what the event says must be how the run ends.
        """
        append = asyncio.create_task(_append(event_type, message))
        try:
            await asyncio.shield(append)
        except asyncio.CancelledError:
            await append


async def _append(event_type: str, message: Message) -> None:
    await workflow.execute_activity(
        EMIT,
        ResultEvent(type=event_type, data=message.model_dump(mode="json")),
        result_type=Emitted,
        task_queue=EVENTS_QUEUE,
        start_to_close_timeout=UNTIL_STORED.start_to_close,
        retry_policy=UNTIL_STORED.retry,
        summary=event_type,
    )
