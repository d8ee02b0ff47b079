"""A part of an archive: events as NDJSON, compressed with zstd, with digests. Pure.

One event a line, as the store keeps it: all attributes, ``data`` as text (or ``data_base64`` where it
is not UTF-8) and ``digest``, the SHA-256 of type and data by which the store tells a repeat. So a
line is enough to check it, and to put the event back.
"""

import base64
import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec
import zstandard

from bridge.errors import BridgeError
from eventstore.events import Event, ExtensionValue, Origin, StoredEvent, microseconds

_LEVEL: Final = 9
_LINE: Final = msgspec.json.Encoder()


class PartRefused(BridgeError):  # noqa: N818 - names what is the case
    """A part of an archive is missing or damaged; the message says which."""


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What a manifest says about one part.

    Attributes:
        name: The object's name, relative to the manifest.
        events: How many events it has.
        first: The position of the first event.
        last: The position of the last event.
        bytes: The size of the lines before compression.
        sha256: The digest of the object.
        rows_sha256: The digest of the lines before compression.
    """

    name: str
    events: int
    first: int
    last: int
    bytes: int
    sha256: str
    rows_sha256: str


class _Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    position: int
    uid: UUID
    stream: str
    version: int
    recorded_at: datetime
    origin: Origin
    digest: str
    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    extensions: dict[str, ExtensionValue] = {}
    topic: str | None = None
    correlation_id: str
    correlation_uid: UUID
    causation_id: str | None = None
    causation_uid: UUID | None = None
    tenant: str | None = None
    schema_version: int
    data: str | None = None
    data_base64: str | None = None


_DECODER: Final = msgspec.json.Decoder(_Line)
_EVENT_FIELDS: Final = tuple(set(Event.__struct_fields__) - {"data", "extensions"})
_STORED_FIELDS: Final = tuple(set(StoredEvent.__struct_fields__) & set(_Line.__struct_fields__))


def line_of(stored: StoredEvent) -> bytes:
    """Return the line of one event, with its line feed."""
    event = stored.event
    text = encoded = None
    if event.data is not None:
        try:
            text = event.data.decode()
        except UnicodeDecodeError:
            encoded = base64.b64encode(event.data).decode()
    line = _Line(
        **{name: getattr(event, name) for name in _EVENT_FIELDS},
        **{name: getattr(stored, name) for name in _STORED_FIELDS},
        recorded_at=stored.recorded_at,
        extensions=dict(event.extensions),
        digest=event.digest.hex(),
        data=text,
        data_base64=encoded,
    )
    return _LINE.encode(line) + b"\n"


def event_of(line: bytes) -> StoredEvent:
    """Return the event of one line.

    Raises:
        PartRefused: It is not a line of an archive, or its digest is wrong.
    """
    try:
        found = _DECODER.decode(line)
        data = None if found.data is None else found.data.encode()
        if found.data_base64 is not None:
            data = base64.b64decode(found.data_base64, validate=True)
    except (msgspec.MsgspecError, ValueError) as error:
        raise PartRefused(f"a line is not an archived event: {error}") from error
    event = Event(
        **{name: getattr(found, name) for name in _EVENT_FIELDS},
        data=data,
        extensions=found.extensions,
    )
    if event.digest.hex() != found.digest:
        raise PartRefused(f"the data of the event at position {found.position} were changed")
    return StoredEvent(
        event=event,
        recorded_us=microseconds(found.recorded_at),
        **{name: getattr(found, name) for name in _STORED_FIELDS},
    )


def pack(name: str, lines: Sequence[bytes], first: int, last: int) -> tuple[Part, bytes]:
    """Return a part of some lines, and its object."""
    rows = b"".join(lines)
    packed = zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(rows)
    part = Part(
        name=name,
        events=len(lines),
        first=first,
        last=last,
        bytes=len(rows),
        sha256=hashlib.sha256(packed).hexdigest(),
        rows_sha256=hashlib.sha256(rows).hexdigest(),
    )
    return part, packed


def unpack(part: Part, packed: bytes) -> list[bytes]:
    """Return the lines of a part's object.

    Raises:
        PartRefused: The object is not what the manifest says.
    """
    if hashlib.sha256(packed).hexdigest() != part.sha256:
        raise PartRefused(f"{part.name} was changed or damaged: its SHA-256 is another one")
    try:
        rows = zstandard.ZstdDecompressor().decompress(packed, max_output_size=part.bytes)
    except zstandard.ZstdError as error:
        raise PartRefused(f"{part.name} cannot be decompressed: {error}") from error
    lines = rows.splitlines(keepends=True)
    if hashlib.sha256(rows).hexdigest() != part.rows_sha256 or len(lines) != part.events:
        raise PartRefused(f"{part.name} does not have the events that its manifest says")
    return lines
