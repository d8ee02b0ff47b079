"""How payloads of recent runs are stored: which key encrypted them, if any. For ``ntbridge doctor``."""

from collections.abc import Mapping

import msgspec
from temporalio.api.common.v1 import Payload

from bridge.runtime.codec.encryption import key_id_of
from bridge.runtime.payload_store.reference import is_reference

READABLE = "readable"
_PLAIN = frozenset({b"json/plain", b"json/protobuf", b"binary/plain", b"binary/protobuf"})


class StoredPayloads(msgspec.Struct, frozen=True, kw_only=True):
    """A closed run: how what the daemon and what the worker sent is stored.

    Each is ``readable``, ``key <id>``, or the encoding of another codec; empty if there is none.
    """

    workflow_id: str
    task_queue: str
    memo: str
    result: str


def stored_as(payload: Payload) -> str:
    """Return how a payload is stored; empty for one without content, or with a reference to it."""
    if (key_id := key_id_of(payload)) is not None:
        return f"key {key_id}"
    encoding = payload.metadata.get("encoding", b"")
    if encoding == b"binary/null" or is_reference(payload):
        return ""
    return READABLE if encoding in _PLAIN else encoding.decode(errors="replace")[:80]


def memo_stored_as(fields: Mapping[str, Payload]) -> str:
    """Return how the bridge's field of a memo is stored; empty if there is none."""
    return stored_as(fields["bridge"]) if "bridge" in fields else ""
