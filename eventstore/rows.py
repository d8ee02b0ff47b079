"""Rows: the columns written for an event, and the event read back from a row."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
from asyncpg.pgproto import pgproto

from eventstore.errors import InvalidEvent
from eventstore.events import (
    Event,
    ExtensionValue,
    NewEvent,
    Origin,
    StoredEvent,
    schema_version_of,
    uid_bytes,
)
from eventstore.validity import MAX_NAME_BYTES, check

EventRow = tuple[
    UUID,  # uid
    str,  # origin
    str,  # id
    str,  # source
    str,  # type
    str | None,  # subject
    str | None,  # time
    str | None,  # datacontenttype
    str | None,  # dataschema
    bytes | None,  # data
    str | None,  # traceparent
    str | None,  # tracestate
    str | None,  # extensions, JSON text
    bytes,  # digest
    str | None,  # topic
    str,  # correlation_id
    UUID,  # correlation_uid
    str | None,  # causation_id
    UUID | None,  # causation_uid
    str | None,  # tenant
    int,  # schema_version
]
"""One event's columns, in the order in which ``append_events`` takes them."""

UID: Final = 0
DATA: Final = 9
DIGEST: Final = 13
"""Indexes of columns in an `EventRow`."""

_encode_json = msgspec.json.Encoder(order="deterministic").encode
_decode_json = msgspec.json.Decoder().decode
_ORIGINS: Final = {origin.value: origin for origin in Origin}


def encode(new: NewEvent) -> EventRow:
    """Return the columns of an event.

    Raises:
        InvalidEvent: It cannot be stored, or could not be read back.
    """
    check(new)
    event = new.event
    extensions = event.extensions
    traceparent = tracestate = rest = None
    correlation_id, causation_id = new.correlation_id, None
    if extensions:
        traceparent = _text_of(extensions, "traceparent")
        tracestate = _text_of(extensions, "tracestate")
        correlation_id = correlation_id or _text_of(extensions, "correlationid")
        causation_id = _text_of(extensions, "causationid")
        rest = _as_json(extensions, without=(traceparent, tracestate))
    # The driver's own UUID class, which is several times faster than the standard one.
    uid = pgproto.UUID(uid_bytes(event.source, event.id))
    version = new.schema_version
    return (
        uid,
        new.origin,
        event.id,
        event.source,
        event.type,
        event.subject,
        event.time,
        event.datacontenttype,
        event.dataschema,
        event.data,
        traceparent,
        tracestate,
        rest,
        new.digest or event.digest,
        new.topic,
        correlation_id or event.id,
        new.correlation_uid or uid,
        causation_id,
        new.causation_uid,
        new.tenant,
        schema_version_of(event.type) if version is None else version,
    )


def check_stream(stream: str) -> None:
    """Refuse a stream's name that cannot be stored.

    Raises:
        InvalidEvent: It is empty, too long, or holds a NUL or a lone surrogate.
    """
    try:
        size = len(stream.encode())
    except (AttributeError, UnicodeEncodeError) as error:
        raise InvalidEvent(f"the stream {ascii(stream)[:80]} is not valid Unicode") from error
    if not 0 < size <= MAX_NAME_BYTES or "\0" in stream:
        raise InvalidEvent(
            f"a stream's name has 1 to {MAX_NAME_BYTES} bytes and no NUL: {stream[:80]!r}"
        )


def decode(row: asyncpg.Record) -> StoredEvent:
    """Return the event in a row of a reading statement.

    Never raises: a row that this program would not have written must not stop the readers of the
    other rows. Its event has the stored attributes, and `eventstore.validity.event_problem` returns
    what is wrong with them.
    """
    (
        position,
        uid,
        stream,
        version,
        recorded_at,
        origin,
        event_id,
        source,
        event_type,
        subject,
        time,
        datacontenttype,
        dataschema,
        data,
        traceparent,
        tracestate,
        extensions,
        topic,
        correlation_id,
        correlation_uid,
        causation_id,
        causation_uid,
        tenant,
        schema_version,
    ) = row
    attributes = _extensions_in(extensions) if extensions is not None else {}
    if traceparent is not None:
        attributes["traceparent"] = traceparent
    if tracestate is not None:
        attributes["tracestate"] = tracestate
    return StoredEvent(
        event=Event(
            id=event_id,
            source=source,
            type=event_type,
            subject=subject,
            time=time,
            datacontenttype=datacontenttype,
            dataschema=dataschema,
            data=data,
            extensions=attributes,
        ),
        uid=uid,
        stream=stream,
        version=version,
        position=position,
        recorded_at=recorded_at,
        origin=_ORIGINS[origin],
        topic=topic,
        correlation_id=correlation_id,
        correlation_uid=correlation_uid,
        causation_id=causation_id,
        causation_uid=causation_uid,
        tenant=tenant,
        schema_version=schema_version,
    )


def _extensions_in(text: str) -> dict[str, Any]:
    found = _decode_json(text)
    # Under a name that is invalid for an attribute.
    return found if isinstance(found, dict) else {"extensions?": found}


def columns(rows: Iterable[EventRow]) -> list[Sequence[object] | None]:
    """Return the arrays that ``append_events`` takes, one for each column; None for an empty column."""
    return [
        None if column[0] is None and column.count(None) == len(column) else column
        for column in zip(*rows, strict=True)
    ]


def _text_of(extensions: Mapping[str, ExtensionValue], name: str) -> str | None:
    value = extensions.get(name)
    return value if isinstance(value, str) else None


def _as_json(
    extensions: Mapping[str, ExtensionValue], *, without: tuple[str | None, str | None]
) -> str | None:
    """Return the extension attributes as JSON, without the trace context, which has columns.

    A trace context that is not text stays among them.
    """
    rest = dict(extensions)
    for name, text in zip(("traceparent", "tracestate"), without, strict=True):
        if text is not None:
            del rest[name]
    if not rest:
        return None
    return _encode_json(rest).decode()
