"""The closure event: how a run ended. Pure.

==================  ====================================================================
member of the data  meaning
==================  ====================================================================
``status``          ``completed``, ``failed``, ``timed-out``, ``canceled``, ``terminated``;
                    ``continued-as-new`` when Temporal no longer has the next run
``workflow_id``     and ``workflow_type``, ``task_queue``
``run_id``          the run that ended
``first_run_id``    the first run of its chain (retry, continue-as-new, cron)
``attempt``         from 1, the attempt of a retried workflow
``started_at``      start of the chain; ``closed_at`` its end; ``duration`` in seconds
``result``          the workflow's result, as JSON; absent when it has none
``result_omitted``  why the result is omitted: too large, or not plain JSON
``failure``         ``message``, ``type`` and, if there is one, ``cause`` with the same members
``failure_cut``     why the failure is without its causes, and its texts are shortened: too large
==================  ====================================================================

The event's type is ``<type_prefix>.workflow.<status>.v1``, its topic
``results.workflow.<status>``; its id is derived from the store's secret, the run and the status.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from bridge.cloudevents.codec import to_json
from bridge.cloudevents.lineage import Lineage, as_attribute
from bridge.emit.request import event_id, in_utc, source_of, stream_of
from bridge.jetstream.subjects import topic_for
from bridge.runtime.event_types import closure_type
from bridge.runtime.strict import DEFAULT_NAMESPACE
from bridge.temporal.endings import Ending
from eventstore.events import Event, NewEvent, Origin
from eventstore.prepared import StreamAppend


@dataclass(frozen=True, slots=True)
class RunsIn:
    """The namespace whose runs are tracked, and how their events are called.

    Attributes:
        namespace: Its name on the server, for the events' source.
        type_prefix: The prefix of the events' types.
        known_as: The namespace, as plans call it.
    """

    namespace: str
    type_prefix: str
    known_as: str = DEFAULT_NAMESPACE


_PLACE = "closure"
"""Its place in the run, for the event id; emitted events have their own places."""
_MAX_ATTRIBUTE = 1000
"""Characters of an inherited attribute of an event that is too large."""
_LENGTHS = (4000, 1000, 250, 50)
"""Characters of each text of a failure that is too large, tried in this order; its causes go first."""


def with_result(ending: Ending, result: bytes | None) -> Ending:
    """Return an ending with its checked result; None, for invalid JSON, omits the result."""
    omitted = None if result is not None else "it is not plain JSON: invalid JSON"
    return replace(ending, result=result, result_omitted=omitted)


def closing(
    ending: Ending,
    lineage: Lineage,
    runs_in: RunsIn,
    id_namespace: UUID,
    most_bytes: int | None = None,
) -> StreamAppend:
    """Return the closure event to append to the run's stream.

    What makes it larger than a message of the results stream is omitted or shortened, and the
    event says so: that a run ended must reach the subscribers.

    Args:
        ending: How the run ended.
        lineage: The attributes inherited from the event that started the run.
        runs_in: The namespace of the run.
        id_namespace: The store's secret (`bridge.emit.identity`).
        most_bytes: The maximum size of the event in the JSON format; None: no maximum.
    """
    append = _closing(ending, lineage, runs_in, id_namespace)
    size = size_of(append)
    if most_bytes is None or size <= most_bytes:
        return append
    why = f"the event would have {size} bytes, a message of the results stream at most {most_bytes}"
    for inherits in (lineage, _without_long_values(lineage)):
        for shorter in (ending, *_shorter(ending, why)):
            append = _closing(shorter, inherits, runs_in, id_namespace)
            if size_of(append) <= most_bytes:
                return append
    return append


def size_of(append: StreamAppend) -> int:
    """Return the number of bytes of a closure event in the JSON format."""
    (new,) = append.events
    data = new.event.data or b""
    return len(to_json(replace(new.event, data=None))) + len(b',"data":') + len(data)


def _without_long_values(lineage: Lineage) -> Lineage:
    """Return a lineage without attributes that a publisher has made very long; the store has the links."""
    short = {
        name: value
        for name, value in lineage.extensions.items()
        if len(str(value)) <= _MAX_ATTRIBUTE
    }
    return replace(lineage, extensions=short)


def _shorter(ending: Ending, why: str) -> Iterator[Ending]:
    """Yield shorter and shorter endings that say why."""
    if ending.result is not None:
        omitted = f"{why}; Temporal has the result"
        yield replace(ending, result=None, result_omitted=omitted)
    if ending.failure is not None:
        cut = f"{why}; Temporal has the whole failure"
        texts = {
            name: value for name, value in ending.failure.items() if isinstance(value, str)
        }
        for length in _LENGTHS:
            short = {name: value[:length] for name, value in texts.items()}
            yield replace(ending, failure=short, failure_cut=cut)


def _closing(
    ending: Ending, lineage: Lineage, runs_in: RunsIn, id_namespace: UUID
) -> StreamAppend:
    event_type = closure_type(runs_in.type_prefix, ending.status)
    event = Event(
        id=event_id(id_namespace, ending.workflow_id, ending.run_id, _PLACE, ending.status),
        source=source_of(runs_in.namespace, ending.workflow_type),
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
    if ending.failure_cut is not None:
        data["failure_cut"] = ending.failure_cut
    return data
