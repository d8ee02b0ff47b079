"""Events: CloudEvents 1.0 envelopes, and the columns that the store adds.

Source: CloudEvents specification 1.0.2, sections "Context Attributes" and "Event Data".
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from hashlib import sha256
from uuid import UUID

import msgspec

from eventstore.uuid5 import Namespace

UID_NAMESPACE = UUID("6d1b3a52-6f0f-5a53-9f0b-0e6c5f6f7a10")
"""The UUIDv5 namespace of every uid; part of the contract, never to be changed."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UIDS = Namespace(UID_NAMESPACE)

ExtensionValue = str | int | bool
"""The values of extension attributes: the CloudEvents types as in JSON."""

_JSON_TYPE = re.compile(r"^(application|text)/(json|[^;\s]+\+json)\s*(;|$)", re.IGNORECASE)
_SPACE_OR_STRING = re.compile(rb'[ \t\n\r]+|("(?:[^"\\]|\\.)*")', re.DOTALL)
_TYPE_VERSION = re.compile(r"\.v(\d{1,9})$")


class Origin(StrEnum):
    """The origin of a stored event; the relay publishes only emitted events."""

    RECEIVED = "received"
    EMITTED = "emitted"


class Event(msgspec.Struct, frozen=True, gc=False):
    """A CloudEvent 1.0 whose data is kept as the bytes that arrived.

    ``data`` is the payload: JSON text where the content type is JSON, else the raw bytes;
    ``None`` means that there is no data, which is not the same as the JSON value ``null``.
    ``time`` is RFC 3339 text, verbatim, so that a publisher's nanoseconds survive.
    """

    id: str
    source: str
    type: str
    subject: str | None = None
    time: str | None = None
    datacontenttype: str | None = None
    dataschema: str | None = None
    data: bytes | None = None
    extensions: Mapping[str, ExtensionValue] = msgspec.field(default_factory=dict)

    @property
    def uid(self) -> UUID:
        """The key of everything that must happen once for this event."""
        return uid(self.source, self.id)

    @property
    def has_json_data(self) -> bool:
        """Whether the data is JSON; data without a content type is (JSON format, 3.1)."""
        return is_json(self.datacontenttype)

    @property
    def digest(self) -> bytes:
        """The SHA-256 of type and data (32 bytes), which distinguishes a repeat from a conflict.

        White space between JSON tokens does not count, because it depends on the content mode and
        the encoder; everything else counts.
        """
        data = self.data
        body = b"\0" if data is None else b"\1" + self._comparable_data(data)
        return sha256(self.type.encode() + body).digest()

    def _comparable_data(self, data: bytes) -> bytes:
        if not self.has_json_data:
            return data
        try:
            return msgspec.json.format(data, indent=-1)
        except msgspec.DecodeError:
            return data
        except RecursionError:  # nested too deeply for the parser: the same result without one
            return _SPACE_OR_STRING.sub(rb"\1", data)


class NewEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A new event and the additional values to store with it.

    ``topic`` is its address (for NATS the subject on which it arrived or will be published); the
    store only keeps it. ``correlation_id`` defaults to the event's own
    ``correlationid`` or else its id; ``correlation_uid`` and ``causation_uid`` are the exact
    links, because ids of different sources may be equal. ``schema_version`` defaults to the
    number at the end of the type (``….v2``), else 1.

    ``digest`` is the event's own, given by a caller who has checked the data already
    (`eventstore.validity.checked`), such as in another process because the data is large: the
    store then neither checks the data again nor computes the digest, which together take 50 to
    100 ms a MB of small objects. By default the store does both.
    """

    event: Event
    origin: Origin = Origin.EMITTED
    topic: str | None = None
    correlation_id: str | None = None
    correlation_uid: UUID | None = None
    causation_uid: UUID | None = None
    tenant: str | None = None
    schema_version: int | None = None
    digest: bytes | None = None


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """A stored event.

    ``version`` counts within the stream from 1, ``position`` orders the whole store,
    ``recorded_us`` is the database's clock in microseconds since 1970 (`recorded_at` as a time). ``removal`` is what removed its data and attributes, for
    an event of which only the place and the links are left; else None.
    """

    event: Event
    uid: UUID
    stream: str
    version: int
    position: int
    recorded_us: int
    origin: Origin
    topic: str | None
    correlation_id: str
    correlation_uid: UUID
    causation_id: str | None
    causation_uid: UUID | None
    tenant: str | None
    schema_version: int
    removal: int | None = None

    @property
    def recorded_at(self) -> datetime:
        """When it was recorded, by the database's clock."""
        return _EPOCH + timedelta(microseconds=self.recorded_us)


def microseconds(time: datetime) -> int:
    """Return a time as `StoredEvent.recorded_us`."""
    return (time - _EPOCH) // timedelta(microseconds=1)


@lru_cache(maxsize=1024)  # the events of a batch or two, used at every step
def uid(source: str, event_id: str) -> UUID:
    """Return the UUIDv5 of an event's identity, the pair of source and id.

    The two are joined by a line feed, which neither may contain, so that no two pairs meet.
    """
    return _UIDS.uuid5(f"{source}\n{event_id}")


def uid_bytes(source: str, event_id: str) -> bytes:
    """Return the 16 bytes of `uid`, without the slow `UUID` object."""
    return _UIDS.uuid5_bytes(f"{source}\n{event_id}")


def is_json(content_type: str | None) -> bool:
    """Return whether a content type is JSON (``application/json``, ``text/json``, ``…+json``)."""
    if content_type is None or content_type == "application/json":
        return True
    return _JSON_TYPE.match(content_type) is not None


@lru_cache(maxsize=1024)
def schema_version_of(event_type: str) -> int:
    """Return the number at the end of a type (``….v2`` gives 2), else 1."""
    match = _TYPE_VERSION.search(event_type)
    return int(match.group(1)) if match else 1
