"""Rows: the columns written for an event, and the event read back from a row.

Columns are what an index answers. The other attributes are in one JSON text, the `Envelope`; see
``sql/migrations/0001_events.sql``.
"""

import struct
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
    bool,  # emitted
    str,  # type
    str | None,  # correlation_id; None: the event's own id
    UUID | None,  # correlation_uid; None: the event's own uid
    UUID | None,  # causation_uid
    bytes,  # digest
    str,  # envelope, JSON text
    bytes | None,  # data
]
"""One event's columns: an ``event_row`` of the database."""

UID: Final = 0
DIGEST: Final = 6
DATA: Final = 8
"""Indexes of columns in an `EventRow`."""


class Envelope(msgspec.Struct, kw_only=True, omit_defaults=True, gc=False):
    """The attributes that have no column. What is not set is missing in the text."""

    id: str = ""
    source: str = ""
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    extensions: Any = None
    topic: str | None = None
    tenant: str | None = None
    schema_version: int | None = None


_encode = msgspec.json.Encoder(order="deterministic").encode
_decode = msgspec.json.Decoder(Envelope).decode
_decode_any = msgspec.json.Decoder().decode
# A timestamptz as Postgres sends it. The driver's datetime would cost as much as the rest of the event.
_microseconds = struct.Struct(">q").unpack
_POSTGRES_EPOCH: Final = 946_684_800_000_000
"""2000-01-01 in microseconds since 1970."""
_RECEIVED: Final = Origin.RECEIVED
_EMITTED: Final = Origin.EMITTED


def encode(new: NewEvent) -> EventRow:
    """Return the columns of an event.

    Raises:
        InvalidEvent: It cannot be stored, or could not be read back.
    """
    check(new)
    event = new.event
    event_id, extensions = event.id, event.extensions
    # The driver's own UUID class, which is several times faster than the standard one.
    uid = pgproto.UUID(uid_bytes(event.source, event_id))
    correlation_id, correlation_uid = new.correlation_id or None, new.correlation_uid
    if correlation_id is None and extensions:
        correlation_id = _text_of(extensions.get("correlationid")) or None
    version = new.schema_version
    if version is not None and version == schema_version_of(event.type):
        version = None
    envelope = Envelope(
        id=event_id,
        source=event.source,
        subject=event.subject,
        time=event.time,
        datacontenttype=event.datacontenttype,
        dataschema=event.dataschema,
        extensions=dict(extensions) if extensions else None,
        topic=new.topic,
        tenant=new.tenant,
        schema_version=version,
    )
    return (
        uid,
        new.origin == _EMITTED,
        event.type,
        None if correlation_id == event_id else correlation_id,
        None if correlation_uid == uid else correlation_uid,
        new.causation_uid,
        new.digest or event.digest,
        _encode(envelope).decode(),
        event.data,
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
        recorded,
        emitted,
        event_type,
        correlation_id,
        correlation_uid,
        causation_uid,
        text,
        data,
        removal,
    ) = row
    try:
        envelope = _decode(text)
    except msgspec.MsgspecError:
        envelope = _strange(text)
    extensions = envelope.extensions
    causation_id = None
    if extensions is None:
        extensions = {}
    elif type(extensions) is dict:
        causation_id = _text_of(extensions.get("causationid"))
    else:  # under a name that is invalid for an attribute
        extensions = {"extensions?": extensions}
    schema_version = envelope.schema_version
    event_id = envelope.id
    # By position: by name it takes half as long again.
    return StoredEvent(
        Event(
            event_id,
            envelope.source,
            event_type,
            envelope.subject,
            envelope.time,
            envelope.datacontenttype,
            envelope.dataschema,
            data,
            extensions,
        ),
        uid,
        stream,
        version,
        position,
        _microseconds(recorded)[0] + _POSTGRES_EPOCH,
        _EMITTED if emitted else _RECEIVED,
        envelope.topic,
        event_id if correlation_id is None else correlation_id,
        uid if correlation_uid is None else correlation_uid,
        causation_id,
        causation_uid,
        envelope.tenant,
        schema_version_of(event_type) if schema_version is None else schema_version,
        removal,
    )


def _strange(text: str) -> Envelope:
    """Return the attributes of an envelope in which some have a wrong type."""
    try:
        found = _decode_any(text)
    except msgspec.MsgspecError:  # JSON that Postgres accepts and this decoder does not
        return Envelope(extensions={"envelope?": text})
    return Envelope(
        **{name: found[name] for name in Envelope.__struct_fields__ if name in found}
    )


def _text_of(value: ExtensionValue | None) -> str | None:
    return value if isinstance(value, str) else None
