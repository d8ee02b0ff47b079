"""Appending result events to the store."""

from uuid import UUID, uuid5

import msgspec
from temporalio import activity

from eventstore.errors import Conflict, InvalidEvent
from eventstore.events import Event, NewEvent, Origin
from eventstore.store import EventStore
from workflows.activities.heartbeats import heartbeating
from workflows.errors import ResultRefusedError
from workflows.messages.result_events import EmitRequest, Emitted, ResultEvent
from workflows.steps.result_events import append_events

ID_NAMESPACE = UUID("3c0d4a0e-8f0b-5f5e-9a53-5b8f6d0f6c1a")
"""The UUIDv5 namespace of result events' ids; part of the contract, never to be changed."""


class ResultEventActivities:
    """The emit activity. Every worker has it, whatever else it does."""

    def __init__(self, store: EventStore) -> None:
        self._store = store

    @activity.defn(name=append_events.name)
    async def emit(self, request: EmitRequest) -> Emitted:
        """Append a run's result events to its stream ``run-<workflow id>``, in one commit.

        Their ids follow from where in which run they were emitted, and their content from
        recorded history: another try appends the same events, which the store takes for what
        they are. A store that cannot be reached is Temporal's to wait for.

        Raises:
            ResultRefusedError: When the store will never take them, or holds others under
                their identities.
        """
        info = activity.info()
        run = (info.workflow_id or "", info.workflow_run_id or "", info.activity_id)
        events = [
            new_event(event, event_id(*run, ordinal))
            for ordinal, event in enumerate(request.events)
        ]
        try:
            async with heartbeating():
                await self._store.append(stream_of(run[0]), events)
        except (Conflict, InvalidEvent) as error:
            raise ResultRefusedError(str(error)) from error
        return Emitted(ids=tuple(new.event.id for new in events))


def event_id(workflow_id: str, run_id: str, activity_id: str, ordinal: int) -> str:
    """Return the id of a result event: the same for every try, and for no other event.

    The parts are joined by line feeds, which Temporal's own ids never contain; the workflow id,
    which anybody may choose, comes last so that it cannot imitate the others.
    """
    return str(uuid5(ID_NAMESPACE, f"{run_id}\n{activity_id}\n{ordinal}\n{workflow_id}"))


def stream_of(workflow_id: str) -> str:
    """Return the store's stream of a workflow's result events."""
    return f"run-{workflow_id}"


def new_event(event: ResultEvent, identity: str) -> NewEvent:
    """Return what is appended for a result event."""
    return NewEvent(
        event=Event(
            id=identity,
            source=event.source,
            type=event.type,
            subject=event.subject,
            time=event.time,
            datacontenttype="application/json",
            data=msgspec.json.encode(event.data),
            extensions=event.extensions,
        ),
        origin=Origin.EMITTED,
        topic=event.topic,
        correlation_id=event.correlation_id,
        correlation_uid=event.correlation_uid,
        causation_uid=event.causation_uid,
    )
