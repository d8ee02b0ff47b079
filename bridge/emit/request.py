"""The argument of an emit, for workflows in any language, and the events it describes. Pure.

A workflow calls the activity ``events.emit`` on the bridge's task queue (``ntbridge-events`` by
default) with one argument, plain JSON::

    {"type": "com.example.shop.shipped.v1", "data": {"order": 7}}

or a list of such objects, which are appended in one commit. The result is ``{"ids": […]}``.

==============  ========================================================================
member          meaning
==============  ========================================================================
``type``        of the event; required
``data``        any JSON; without it the event has no data
``topic``       the subject it is published on, below ``results.``; by default derived
                from the type: ``results.shop.shipped``
``subject``     the CloudEvents subject; by default the workflow id
``time``        RFC 3339; by default the time at which the activity was scheduled
``extensions``  further extension attributes. ``correlationid``, ``traceparent`` and
                ``tracestate`` may be set, and are inherited otherwise; the bridge sets
                ``causationid`` and ``hops``
==============  ========================================================================

The bridge sets the rest: ``source`` is ``/temporal/<namespace>/<workflow type>``; the ``id`` is
derived from a secret of the store (`bridge.emit.identity`) and the place of the emit (workflow id,
run id, activity id, index in the list), so a retried emit appends the same event. Therefore an
activity id must not be used twice in a run; SDKs do that only if the workflow sets its id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid5

import msgspec

from bridge.cloudevents.codec import from_json
from bridge.cloudevents.lineage import Lineage, as_attribute
from bridge.cloudevents.strict_json import check_json, members_of
from bridge.errors import BridgeError, DecodeError, SubjectError
from bridge.jetstream.subjects import RESULT_TOPICS, check_subject, matches, topic_for
from eventstore.events import NewEvent, Origin

ACTIVITY = "events.emit"
MAX_EVENTS = 500
"""Maximum number of events in one list."""

_MEMBERS = ("type", "data", "topic", "subject", "time", "extensions")
_OURS = frozenset({"causationid", "hops"})
_CONTEXT = frozenset(
    {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"}
)


class InvalidEmitError(BridgeError):
    """The argument of an emit is not a valid result event; a retry would fail again."""


@dataclass(frozen=True, slots=True)
class Emitter:
    """The workflow run and activity of an emit, from Temporal."""

    namespace: str
    workflow_type: str
    workflow_id: str
    run_id: str
    activity_id: str
    scheduled: datetime

    @property
    def source(self) -> str:
        """The ``source`` of the events."""
        return source_of(self.namespace, self.workflow_type)


def source_of(namespace: str, workflow_type: str) -> str:
    """Return the ``source`` of a workflow type's events, a URI path without an authority."""
    return f"/temporal/{quote(namespace, safe='')}/{quote(workflow_type, safe='')}"


def stream_of(workflow_id: str) -> str:
    """Return the store's stream for the events of a workflow id's runs, closures included."""
    return f"run-{workflow_id}"


def event_id(
    namespace: UUID, workflow_id: str, run_id: str, place: str, ordinal: int | str
) -> str:
    """Return the id of a result event: the same on every retry, and unique to the event.

    ``namespace`` is the store's secret (`bridge.emit.identity`).

    The parts are joined by line feeds, which Temporal's own ids never contain. The workflow id, which
    any client may choose, comes last so that it cannot imitate the other parts.
    """
    return str(uuid5(namespace, f"{run_id}\n{place}\n{ordinal}\n{workflow_id}"))


def read_argument(
    argument: bytes, emitter: Emitter, lineage: Lineage, namespace: UUID
) -> list[NewEvent]:
    """Read the argument of an emit, and return the events to append.

    ``namespace`` is the store's secret (`bridge.emit.identity`).

    Raises:
        InvalidEmitError: The argument is invalid; the message says what is wrong.
    """
    try:
        objects = _objects(argument)
        single = len(objects) == 1
        events = []
        for ordinal, each in enumerate(objects):
            try:
                new_id = event_id(
                    namespace,
                    emitter.workflow_id,
                    emitter.run_id,
                    emitter.activity_id,
                    ordinal,
                )
                events.append(_event(each, new_id, emitter, lineage))
            except (DecodeError, SubjectError, InvalidEmitError) as error:
                where = "" if single else f"event {ordinal}: "
                raise InvalidEmitError(f"{where}{error}") from error
    except RecursionError:
        raise InvalidEmitError("the JSON is nested too deeply") from None
    return events


def _objects(argument: bytes) -> list[bytes]:
    if not argument.lstrip().startswith(b"["):
        return [argument]
    try:
        objects = [
            bytes(each) for each in msgspec.json.decode(argument, type=list[msgspec.Raw])
        ]
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise InvalidEmitError(f"the argument is not JSON: {error}") from error
    if not 0 < len(objects) <= MAX_EVENTS:
        raise InvalidEmitError(
            f"the argument is a list of {len(objects)} events; a list must have 1 to "
            f"{MAX_EVENTS} events"
        )
    return objects


def _event(text: bytes, new_id: str, emitter: Emitter, lineage: Lineage) -> NewEvent:
    members = members_of(text)
    for name in members:
        if name not in _MEMBERS:
            near = get_close_matches(name, _MEMBERS, 1)
            meant = f"; did you mean {near[0]!r}?" if near else f", only {', '.join(_MEMBERS)}"
            raise InvalidEmitError(f"unknown member {name!r}{meant}")
    data = members.pop("data", None)
    for raw in members.values():
        check_json(bytes(raw))
    given = {name: msgspec.json.decode(raw) for name, raw in members.items()}
    event_type, topic = given.get("type"), given.get("topic")
    if not isinstance(event_type, str):
        raise InvalidEmitError("the member 'type' is missing or not a string")
    if not isinstance(topic, str | None):
        raise InvalidEmitError("the member 'topic' is not a string")
    extensions = {**lineage.extensions, **_extensions(given.get("extensions"))}
    attributes: dict[str, Any] = {
        "specversion": "1.0",
        "id": new_id,
        "source": emitter.source,
        "type": event_type,
        "subject": given.get("subject") or as_attribute(emitter.workflow_id),
        "time": given.get("time") or in_utc(emitter.scheduled),
        **extensions,
    }
    if data is not None:
        attributes |= {"datacontenttype": "application/json", "data": data}
    return NewEvent(
        # Decoded like a received event: what is stored can then be published and read again.
        event=from_json(msgspec.json.encode(attributes)),
        origin=Origin.EMITTED,
        topic=_checked(topic) if topic else topic_for(event_type, "results"),
        correlation_id=str(extensions["correlationid"]),
        correlation_uid=lineage.correlation_uid,
        causation_uid=lineage.causation_uid,
    )


def _checked(topic: str) -> str:
    if not matches(RESULT_TOPICS, topic):
        raise SubjectError(f"the topic {topic!r} is not below 'results.'")
    return check_subject(topic)


def _extensions(given: Any) -> Mapping[str, Any]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise InvalidEmitError("the member 'extensions' is not an object")
    ours = sorted(_OURS & given.keys())
    if ours:
        raise InvalidEmitError(f"{', '.join(ours)}: set by the bridge, leave it out")
    context = sorted(_CONTEXT & given.keys())
    if context:
        raise InvalidEmitError(f"{', '.join(context)}: not an extension attribute")
    return {name: value for name, value in given.items() if value is not None}


def in_utc(moment: datetime) -> str:
    """Return a moment as RFC 3339 in UTC, for the attribute ``time``."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def ids_of(events: Sequence[NewEvent]) -> list[str]:
    """Return the ids of events."""
    return [new.event.id for new in events]
