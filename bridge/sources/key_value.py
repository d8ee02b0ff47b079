"""Messages of key-value buckets: a put, a delete, a purge or an expiry of a key. Pure.

A bucket is a stream ``KV_<bucket>`` with the subjects ``$KV.<bucket>.<key>`` (ADR-8 of
nats-architecture-and-design). A put is a message with the value. A client deletes or purges a key by a
message without a body and the header ``KV-Operation``. The server itself writes a marker
(``Nats-Marker-Reason``, ADR-43) when a value expires (``MaxAge``), or when messages of a key are purged
or removed.
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

KeyOperation = Literal["put", "delete", "purge", "expire"]

_PREFIX = "$KV."
_OPERATION: Final = "KV-Operation"
_OPERATIONS: Final[Mapping[str, KeyOperation]] = {"DEL": "delete", "PURGE": "purge"}
_MARKER: Final = "Nats-Marker-Reason"
_REASONS: Final[Mapping[str, KeyOperation]] = {
    "MaxAge": "expire",
    "Purge": "purge",
    "Remove": "delete",
}


class KeyChange(msgspec.Struct, frozen=True):
    """What a message of a bucket does to a key."""

    bucket: str
    key: str
    operation: KeyOperation


def key_change(topic: str, headers: Mapping[str, str]) -> KeyChange | None:
    """Return what a message does to a key; None if its subject is not that of a bucket."""
    if not topic.startswith(_PREFIX):
        return None
    bucket, dot, key = topic.removeprefix(_PREFIX).partition(".")
    if not (bucket and dot and key):
        return None
    operation = _OPERATIONS.get(headers.get(_OPERATION, ""))
    if operation is None:
        operation = _REASONS.get(headers.get(_MARKER, ""), "put")
    return KeyChange(bucket, key, operation)
