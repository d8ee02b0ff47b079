"""How a workflow tells the world what came of it.

A workflow emits with ``await results.emit(type, message)``. The event is built here, in
workflow code, from recorded history alone, and appended by an activity of its own. Were it
appended by the activity that computed the result, a retry could store one result and return
another.

What is guaranteed:

* When ``emit`` returns, the event is stored, once, however often a worker was killed meanwhile.
* Events of one run are stored in the order in which they were emitted.
* An emit that has begun is finished even when the run is cancelled meanwhile.

=================  =====================================================================
attribute          value
=================  =====================================================================
``id``             UUIDv5 of workflow id, run id, activity id and place (``events.emit``)
``source``         ``/temporal/<namespace>/<workflow type>``
``subject``        the workflow id
``time``           the workflow's clock, as recorded in its history
``correlationid``  of the triggering event; of a run started by hand the workflow id
``causationid``    the triggering event's id; absent when started by hand
``traceparent``    and ``tracestate``, as the triggering event had them
``hops``           one more than the triggering event's; 0 when started by hand
=================  =====================================================================
"""

import asyncio
from datetime import UTC
from urllib.parse import quote

from pydantic import ValidationError
from temporalio import workflow

from workflows.lineage import Lineage, lineage_of
from workflows.messages.message import Message
from workflows.messages.result_events import EmitRequest, ResultEvent
from workflows.steps.result_events import append_events
from workflows.topics import topic_of


class ResultEvents:
    """The result events of the current run. Make one in ``run``, and only there."""

    def __init__(self) -> None:
        info = workflow.info()
        self._subject = info.workflow_id
        self._source = source_of(info.namespace, info.workflow_type)
        self._lineage = self._read_lineage()

    async def emit(self, event_type: str, message: Message) -> None:
        """Append one event with the message as its data; return when it is stored.

        Raises:
            InvalidResultTypeError: When no subject follows from the type.
            ActivityError: When the store will never take this event. (A store that is down is
                waited for, however long it takes.)
            asyncio.CancelledError: When the run was cancelled meanwhile; the event is stored.
        """
        append = asyncio.create_task(self._append(event_type, message))
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
        append = asyncio.create_task(self._append(event_type, message))
        try:
            await asyncio.shield(append)
        except asyncio.CancelledError:
            await append

    async def _append(self, event_type: str, message: Message) -> None:
        event = ResultEvent(
            type=event_type,
            source=self._source,
            subject=self._subject,
            topic=topic_of(event_type),
            time=workflow.now().astimezone(UTC).isoformat().replace("+00:00", "Z"),
            data=message.model_dump(mode="json"),
            extensions=self._lineage.extensions,
            correlation_id=self._lineage.correlation_id,
            correlation_uid=self._lineage.correlation_uid,
            causation_uid=self._lineage.causation_uid,
        )
        await append_events(EmitRequest(events=(event,)), summary=event.topic)

    def _read_lineage(self) -> Lineage:
        try:
            return lineage_of(workflow.memo(), source=self._source, workflow_id=self._subject)
        except ValidationError as error:
            # A run must come to its end whatever was written into its memo.
            workflow.logger.warning(
                "memo unreadable, run treated as started by hand: %s", error
            )
            return lineage_of({}, source=self._source, workflow_id=self._subject)


def source_of(namespace: str, workflow_type: str) -> str:
    """Return the ``source`` of a workflow type's events, a URI path without an authority."""
    return f"/temporal/{quote(namespace, safe='')}/{quote(workflow_type, safe='')}"
