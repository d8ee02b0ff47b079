"""Reads the body of a message as JSON, text or bytes. Pure."""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import msgspec

from bridge.cel.scope import bytes_value, json_value
from bridge.cloudevents.codec import STRUCTURED_CONTENT_TYPE
from bridge.cloudevents.lineage import read_hops
from bridge.cloudevents.strict_json import check_json
from bridge.errors import DecodeError
from eventstore.events import is_json

Kind = Literal["json", "text", "bytes"]

_TEXT = "text/plain"
_BYTES = "application/octet-stream"
_HOPS_HEADER = "ce-hops"
PROTOBUF = "application/protobuf"
_BLANKS = " \t"


class Body(msgspec.Struct, frozen=True):
    """The data of the event that a message becomes.

    ``data`` and ``content_type`` are None if the message has no body.
    """

    data: bytes | None = None
    content_type: str | None = None
    message: str | None = None
    """The message type, if the data is a protocol buffer message."""
    value: Callable[[], tuple[Any, str | None]] = lambda: ({}, None)
    """Returns the data for expressions, and the reason if expressions cannot read it."""


def body_of(kind: Kind, headers: Mapping[str, str], payload: bytes) -> Body:
    """Read a message's body.

    Raises:
        DecodeError: It is not what its source says.
    """
    if not payload:
        return Body()
    match kind:
        case "json":
            return _json(payload)
        case "text":
            return _text(headers, payload)
        case "bytes":
            return Body(payload, _declared(headers, _BYTES), value=lambda: bytes_value(payload))


def claims_to_be_cloudevent(headers: Mapping[str, str], payload: bytes) -> bool:
    """Return whether a message is meant to be a CloudEvent, valid or not.

    It has the media type or a ``ce-`` header; or, without a media type, a JSON object with the member
    ``specversion``.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    if any(name.startswith("ce-") for name in lowered):
        return True
    content_type = lowered.get("content-type", "").strip(_BLANKS)
    if content_type:
        media_type = STRUCTURED_CONTENT_TYPE.partition("+")[0]
        return content_type.lower().startswith(media_type)
    if b'"specversion"' not in payload:
        return False
    try:
        return "specversion" in msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return False


def hops_in(headers: Mapping[str, str], payload: bytes) -> int:
    """Return the attribute ``hops`` of a message that is a CloudEvent, whatever its source says it is.

    A source that reads result events as plain JSON would otherwise begin each chain at 0, and a loop
    would never end.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    if _HOPS_HEADER in lowered:
        return read_hops(lowered[_HOPS_HEADER])
    if b'"hops"' not in payload or not claims_to_be_cloudevent(headers, payload):
        return 0
    try:
        members = msgspec.json.decode(payload, type=dict[str, msgspec.Raw])
        return read_hops(msgspec.json.decode(members.get("hops", msgspec.Raw(b"0"))))
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return 0


def _json(payload: bytes) -> Body:
    try:
        check_json(payload)
    except DecodeError as error:
        if error.code != "data":
            raise
        raise DecodeError("json", f"the message is not JSON: {_why(payload)}") from None
    except RecursionError:
        raise DecodeError("nesting", "the JSON is nested too deeply") from None
    return json_body(payload)


def json_body(data: bytes) -> Body:
    """Return the body of valid JSON."""
    return Body(data, "application/json", value=lambda: json_value(data))


def protobuf_body(message: str, data: bytes, as_json: bytes) -> Body:
    """Return the body of a protocol buffer message that is kept as it is."""
    return Body(data, PROTOBUF, message, lambda: json_value(as_json))


def _why(payload: bytes) -> str:
    try:
        payload.decode()
        msgspec.json.decode(payload)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        return str(error)
    return "it cannot be read"


def _text(headers: Mapping[str, str], payload: bytes) -> Body:
    try:
        text = payload.decode()
    except UnicodeDecodeError as error:
        raise DecodeError("text", f"the message is not UTF-8 text: {error}") from None
    return Body(payload, _declared(headers, _TEXT), value=lambda: _text_value(text))


def _text_value(text: str) -> tuple[Any, str | None]:
    _, unreadable = bytes_value(text.encode())
    return (text, None) if unreadable is None else (None, unreadable)


def _declared(headers: Mapping[str, str], default: str) -> str:
    """Return the media type in the header Content-Type, unless it says JSON or is not one."""
    lowered = {name.lower(): value for name, value in headers.items()}
    declared = lowered.get("content-type", "").strip(_BLANKS)
    return declared if "/" in declared and not is_json(declared) else default
