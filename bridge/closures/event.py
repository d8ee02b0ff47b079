"""The result event that tells how a run ended. Pure.

==================  ====================================================================
member of the data  meaning
==================  ====================================================================
``status``          ``completed``, ``failed``, ``timed-out``, ``canceled``, ``terminated``;
                    ``continued-as-new`` when the run that goes on cannot be found any more
``workflow_id``     and ``workflow_type``, ``task_queue``
``run_id``          the run that came to this end
``first_run_id``    the one its chain began with (by retry, continue-as-new, cron)
``attempt``         from 1, of a workflow that is retried
``started_at``      when the chain began, ``closed_at`` when it ended; ``duration`` seconds
``result``          the workflow's result, as JSON; absent when it has none
``result_omitted``  why the result is left out: too large, no plain JSON
``failure``         ``message``, ``type`` and, where there is one, ``cause`` likewise
==================  ====================================================================

The event's type is ``io.quantum-suite.workflow.<status>.v1``, its topic
``results.workflow.<status>``, its id follows from the store's secret, run and status.
"""

from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from bridge.cloudevents.lineage import Lineage, as_attribute
from bridge.emit.request import event_id, in_utc, source_of, stream_of
from bridge.jetstream.subjects import topic_for
from bridge.temporal.endings import Ending
from eventstore.appending import StreamAppend
from eventstore.events import Event, NewEvent, Origin

_PLACE = "closure"
"""Where in the run: behind all that it emitted itself."""


def type_of(status: str) -> str:
    """Return the type of the event that tells of an end."""
    return f"io.quantum-suite.workflow.{status}.v1"


def with_result(ending: Ending, result: bytes | None) -> Ending:
    """Return an ending whose result was read; None: it is no JSON, and is left out."""
    omitted = None if result is not None else "it is no plain JSON, but broken"
    return replace(ending, result=result, result_omitted=omitted)


def closing(
    ending: Ending, lineage: Lineage, temporal_namespace: str, id_namespace: UUID
) -> StreamAppend:
    """Return the closure event to append to the run's stream.

    Args:
        ending: How the run ended.
        lineage: What the event inherits from the one that started the run.
        temporal_namespace: Where the run was.
        id_namespace: The store's secret (`bridge.emit.identity`).
    """
    event_type = type_of(ending.status)
    event = Event(
        id=event_id(id_namespace, ending.workflow_id, ending.run_id, _PLACE, ending.status),
        source=source_of(temporal_namespace, ending.workflow_type),
        type=event_type,
        subject=as_attribute(ending.workflow_id),
        time=in_utc(ending.closed_at),
        datacontenttype="application/json",
        data=msgspec.json.encode(_data(ending)),
        extensions=lineage.extensions,
    )
    new = NewEvent(
        event=event,
        origin=Origin.EMITTED,
        topic=topic_for(event_type, "results"),
        correlation_id=lineage.correlation_id,
        correlation_uid=lineage.correlation_uid,
        causation_uid=lineage.causation_uid,
    )
    return StreamAppend(stream_of(ending.workflow_id), (new,))


def _data(ending: Ending) -> dict[str, Any]:
    data: dict[str, Any] = {
        "status": ending.status,
        "workflow_id": ending.workflow_id,
        "workflow_type": ending.workflow_type,
        "task_queue": ending.task_queue,
        "run_id": ending.run_id,
        "first_run_id": ending.first_run_id,
        "attempt": ending.attempt,
        "started_at": in_utc(ending.started_at),
        "closed_at": in_utc(ending.closed_at),
        "duration": (ending.closed_at - ending.started_at).total_seconds(),
    }
    if ending.result is not None:
        data["result"] = msgspec.Raw(ending.result)
    if ending.result_omitted is not None:
        data["result_omitted"] = ending.result_omitted
    if ending.failure is not None:
        data["failure"] = ending.failure
    return data
