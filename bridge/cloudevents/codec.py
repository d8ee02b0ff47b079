"""Decodes CloudEvents from NATS messages in both content modes; encodes in structured mode.

Sources: CloudEvents 1.0.2 (context attributes, type system), its JSON event format, and its
NATS protocol binding (1.0.3-wip, which percent-encodes header values). Where the specification
leaves a choice, `decode` refuses: a message that two decoders could read differently must not
start a workflow. `decode` raises only `DecodeError`.

A message without headers is decoded in structured mode, as the binding says for servers without
header support. An empty payload means no data: binary mode cannot distinguish the two, and an event
must be the same in both modes.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec

from bridge.cloudevents.headers import Headers
from bridge.cloudevents.strict_json import (
    check_json,
    is_valid_json,
    members_of,
    one_line,
)
from bridge.errors import DecodeError, EncodeError
from eventstore.events import Event, ExtensionValue, is_json
from eventstore.validity import CONTEXT, attribute_problem, event_problem, is_name

STRUCTURED_CONTENT_TYPE = "application/cloudevents+json"
SPEC_VERSION = "1.0"

_REQUIRED = ("id", "source", "type")
_encode = msgspec.json.Encoder().encode
_BLANKS = " \t"
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)


def decode(headers: Mapping[str, str] | None, payload: bytes) -> Event:
    """Decode a NATS message as a CloudEvent.

    Args:
        headers: The message's headers, their names in any case.
        payload: The message's body.

    Raises:
        DecodeError: The message is not a valid CloudEvent 1.0; the message says why.
    """
    headers = Headers.of(headers)
    if headers.fault is not None:
        raise DecodeError("header", headers.fault)
    lowered = {name.lower(): value for name, value in headers.items()}
    content_type = lowered.get("content-type", "").strip(_BLANKS)
    try:
        if content_type.lower().startswith("application/cloudevents"):
            _check_json_format(content_type)
            return _decode_structured(payload)
        if any(name.startswith("ce-") for name in lowered):
            return _decode_binary(lowered, payload)
        if not content_type:
            return _decode_structured(payload)
    except RecursionError:
        raise _too_deep() from None
    raise DecodeError(
        "not-a-cloudevent",
        f"the message has Content-Type {content_type!r} and no 'ce-…' headers; structured "
        f"mode needs Content-Type {STRUCTURED_CONTENT_TYPE!r}, binary mode needs "
        "'ce-specversion', 'ce-id', 'ce-source' and 'ce-type'",
    )


def encode(event: Event) -> tuple[dict[str, str], bytes]:
    """Encode an event in structured mode; return headers and payload.

    Raises:
        EncodeError: An attribute is invalid, or the data is declared as JSON and is not.
    """
    return {"Content-Type": STRUCTURED_CONTENT_TYPE}, to_json(event)


def to_json(event: Event, **more: str) -> bytes:
    """Encode an event in the CloudEvents JSON format, on one line, with ``more`` extensions.

    Raises:
        EncodeError: An attribute is invalid, or the data is declared as JSON and is not.
    """
    problem = event_problem(event)
    if problem is not None:
        raise EncodeError(f"the event is not a CloudEvent: {problem}")
    members: dict[str, Any] = {"specversion": SPEC_VERSION}
    _add_attributes(members, event)
    if more:
        members.update(more)
    if event.data is not None:
        if event.has_json_data:
            members["data"] = msgspec.Raw(one_line(event.data))
        else:
            members["data_base64"] = base64.b64encode(event.data).decode()
    return _encode(members)


def from_json(text: bytes) -> Event:
    """Decode an event in the CloudEvents JSON format.

    Raises:
        DecodeError: It is not a valid CloudEvent 1.0; the message says why.
    """
    try:
        return _decode_structured(text)
    except RecursionError:
        raise _too_deep() from None


def _too_deep() -> DecodeError:
    # Raise it "from None": the traceback of a deep recursion is long and useless.
    return DecodeError("nesting", "the JSON is nested too deeply")


def attributes(event: Event) -> dict[str, ExtensionValue]:
    """Return the context attributes that are set, without ``specversion`` and the data."""
    members: dict[str, ExtensionValue] = {}
    _add_attributes(members, event)
    return members


def _add_attributes(members: dict[str, Any], event: Event) -> None:
    # Without a loop or sort, in the order of the names: each replayed and relayed event passes here.
    if event.datacontenttype is not None:
        members["datacontenttype"] = event.datacontenttype
    if event.dataschema is not None:
        members["dataschema"] = event.dataschema
    members["id"] = event.id
    members["source"] = event.source
    if event.subject is not None:
        members["subject"] = event.subject
    if event.time is not None:
        members["time"] = event.time
    members["type"] = event.type
    members.update(event.extensions)


def _check_json_format(content_type: str) -> None:
    media_type = content_type.split(";", 1)[0].strip().lower()
    if media_type in ("application/cloudevents", STRUCTURED_CONTENT_TYPE):
        return
    if media_type.startswith("application/cloudevents-batch"):
        raise DecodeError(
            "batch", "the NATS binding has no batches; send each event as one message"
        )
    raise DecodeError("format", f"the event format {media_type!r} is not supported; use JSON")


def _decode_structured(payload: bytes) -> Event:
    members = members_of(payload)
    if "data" in members:
        check_json(bytes(members["data"]))
    raw_data = members.pop("data", None)
    values = {name: _scalar(name, raw) for name, raw in members.items()}
    encoded = values.pop("data_base64", None)
    present = {name: value for name, value in values.items() if value is not None}
    data: bytes | None = None
    if raw_data is not None and encoded is not None:
        raise DecodeError("data", "'data' and 'data_base64' exclude each other")
    if encoded is not None:
        data = _base64(encoded) or None
        present = {**_content_type_of(present, data), **present}
    elif raw_data is not None:
        data = bytes(raw_data)
        content_type = present.get("datacontenttype")
        if not is_json(content_type if isinstance(content_type, str) else None):
            data = _text(data) or None
    return _event(present, data)


def _decode_binary(headers: Mapping[str, str], payload: bytes) -> Event:
    values: dict[str, ExtensionValue] = {}
    for name, value in headers.items():
        if name.startswith("ce-"):
            values[name[3:]] = _header_value(name, value)
    content_type = headers.get("content-type", "").strip(_BLANKS)
    if "datacontenttype" not in values and content_type:
        values["datacontenttype"] = content_type
    data = payload or None
    return _event({**_content_type_of(values, data), **values}, data)


def _content_type_of(
    values: Mapping[str, ExtensionValue],
    data: bytes | None,
) -> dict[str, ExtensionValue]:
    # A missing content type means JSON only for "data" in the JSON format. Elsewhere the type is
    # unknown: the data is JSON if it parses as JSON, and bytes otherwise.
    if data is None or "datacontenttype" in values or is_valid_json(data):
        return {}
    return {"datacontenttype": "application/octet-stream"}


def _event(values: dict[str, ExtensionValue], data: bytes | None) -> Event:
    version = values.pop("specversion", None)
    if version is None:
        raise DecodeError("specversion", "the attribute 'specversion' is missing")
    if version != SPEC_VERSION:
        raise DecodeError(
            "specversion",
            f"specversion is {version!r}; only {SPEC_VERSION!r} is supported",
        )
    for name in _REQUIRED:
        if name not in values:
            raise DecodeError(name, f"the required attribute {name!r} is missing")
    for name, value in values.items():
        problem = attribute_problem(name, value)
        if problem is not None:
            raise DecodeError(name if is_name(name) else "attribute-name", problem)
    content_type = values.get("datacontenttype")
    if data is not None and isinstance(content_type, str) and is_json(content_type):
        check_json(data)
    context: dict[str, Any] = {name: values[name] for name in values if name in CONTEXT}
    extensions = {name: values[name] for name in values if name not in CONTEXT}
    event = Event(**context, data=data, extensions=extensions)
    problem = event_problem(event)
    if problem is not None:
        # Each attribute alone is valid, but the store cannot keep the event.
        raise DecodeError("not-storable", problem)
    return event


def _scalar(name: str, raw: msgspec.Raw) -> ExtensionValue | None:
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DecodeError(
            "json", f"the attribute {name!r} is not valid JSON: {error}"
        ) from error
    if value is None or isinstance(value, str | bool | int):
        return value
    raise DecodeError(
        "attribute-type",
        f"the attribute {name!r} is a {type(value).__name__}; attributes are strings, "
        "booleans or integers; put everything else into 'data'",
    )


def _text(raw: bytes) -> bytes:
    # JSON format, 3.1: a string in "data" with another content type is the text itself.
    value = msgspec.json.decode(raw)
    return value.encode() if isinstance(value, str) else raw


def _base64(value: ExtensionValue) -> bytes:
    if not isinstance(value, str):
        raise DecodeError("data", f"data_base64 is a {type(value).__name__}, not a string")
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DecodeError("data", f"data_base64 is not base64: {error}") from error


def _header_value(name: str, value: str) -> str:
    text = value.strip(_BLANKS)
    if text.startswith('"'):
        if not _QUOTED.fullmatch(text):
            raise DecodeError(name[3:], f"the header {name!r} has an unfinished quotation")
        text = re.sub(r"\\(.)", r"\1", text[1:-1])
    try:
        return unquote_to_bytes(text.encode()).decode()
    except UnicodeError as error:
        raise DecodeError(name[3:], f"the header {name!r} is not UTF-8: {error}") from error
