"""Reads the task token of an activity. Pure.

A token is opaque to clients; Temporal's server writes the protobuf message ``token.v1.Task``
(github.com/temporalio/temporal, proto/internal/temporal/server/api/token/v1/message.proto). The fields
read here say which activity it completes, so that a route can be limited to some (``only``).
"""

import base64
import binascii
from collections.abc import Iterator

import msgspec

from bridge.errors import ExpressionError

_WORKFLOW_ID, _RUN_ID, _ACTIVITY_ID = 2, 3, 6
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_SIZES = {_FIXED64: 8, _FIXED32: 4}
_MAX_TOKEN = 10_000


class TaskToken(msgspec.Struct, frozen=True, kw_only=True):
    """The activity that a token completes."""

    token: bytes
    workflow_id: str
    """Empty for an activity that no workflow has scheduled."""
    run_id: str
    activity_id: str

    @property
    def target(self) -> str:
        """The workflow id, or that of the activity without a workflow."""
        return self.workflow_id or self.activity_id


def read_token(text: str) -> TaskToken:
    """Read a task token in base64, also URL-safe or without padding.

    Raises:
        ExpressionError: It is none.
    """
    plain = text.strip().translate(str.maketrans("-_", "+/")).rstrip("=")
    try:
        token = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
        fields = dict(_fields(token))
        names = [
            fields.get(each, b"").decode() for each in (_WORKFLOW_ID, _RUN_ID, _ACTIVITY_ID)
        ]
    except (binascii.Error, ValueError, IndexError):
        raise ExpressionError("the token is not a task token of Temporal in base64") from None
    found = TaskToken(token=token, workflow_id=names[0], run_id=names[1], activity_id=names[2])
    if not found.target:
        raise ExpressionError("the token names no workflow and no activity")
    return found


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the fields of a protobuf message that have bytes; skip the others.

    Raises:
        ValueError: It is no protobuf message, or too long for a token.
        IndexError: It is cut.
    """
    if len(message) > _MAX_TOKEN:
        raise ValueError
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            _, at = _varint(message, at)
            continue
        size = _SIZES.get(kind)
        if kind == _BYTES:
            size, at = _varint(message, at)
        if size is None or not number or at + size > len(message):
            raise ValueError
        if kind == _BYTES:
            yield number, message[at : at + size]
        at += size


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that another byte follows
            return value, at
        shift += 7
        if shift > 63:  # noqa: PLR2004 - more than 64 bits
            raise ValueError
