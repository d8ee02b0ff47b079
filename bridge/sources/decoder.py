"""`Decoder`: makes an event of one message of a source. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from bridge.cel import MessageScope, compile_expression
from bridge.cloudevents.headers import Headers
from bridge.errors import DecodeError, ExpressionError
from bridge.jetstream.server_messages import as_fired, event_of, is_delete_marker
from bridge.runtime.event_types import DEFAULT_PREFIX, message_type
from bridge.settings.source_settings import (
    KEY_OPERATION,
    MADE_BY_SOURCE,
    PROTOBUF_MESSAGE,
    SourceSettings,
)
from bridge.sources.bodies import (
    Body,
    Kind,
    body_of,
    claims_to_be_cloudevent,
    hops_in,
    json_body,
    protobuf_body,
)
from bridge.sources.key_value import KeyChange, key_change
from bridge.sources.mapping import Mapped
from bridge.sources.protobuf import PER_BYTE_SECONDS, Descriptors
from eventstore.events import Event, ExtensionValue
from eventstore.validity import attribute_problem, event_problem

HOPS = "hops"
_NANOSECONDS = 1_000_000_000


class SourceMessage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message of a stream."""

    topic: str
    """Its subject, without the prefix."""
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    payload: bytes = b""
    stream: str = ""
    """Without the prefix."""
    sequence: int = 0
    arrived_ns: int | None = None
    """When the stream stored it, in nanoseconds since 1970; None if not known."""

    @property
    def size(self) -> int:
        """The bytes that decoding may read."""
        return len(self.payload) + sum(map(len, self.headers.values()))


class Decoder:
    """Makes events of the messages of one source.

    Args:
        source: The source.
        type_prefix: The prefix of default event types.
        descriptors: The message types, for protocol buffers.

    Raises:
        ExpressionError: An expression of the source does not compile.
    """

    def __init__(
        self,
        source: SourceSettings,
        type_prefix: str = DEFAULT_PREFIX,
        descriptors: Descriptors | None = None,
    ) -> None:
        self.source = source
        self._descriptors = descriptors
        self._message_type = (
            None
            if source.protobuf is None
            else compile_expression(source.protobuf.message, "string", over="message")
        )
        self._type_prefix = type_prefix
        self._mapped = Mapped(source.event)

    def seconds(self, message: SourceMessage) -> float:
        """Return an upper bound of the time that the source's expressions take, in seconds."""
        if self.source.decode == "cloudevents":
            return 0.0
        elements = max(
            message.payload.count(b",") + 1,
            2 * len(message.headers),
            message.topic.count(".") + 1,
        )
        size = message.size + len(message.topic)
        seconds = self._mapped.seconds(size, elements)
        if self._message_type is not None:
            seconds += self._message_type.cost.seconds(size, elements)
            seconds += len(message.payload) * PER_BYTE_SECONDS
        return seconds

    def decode(self, message: SourceMessage) -> Event:
        """Return the event that a message is or becomes.

        Raises:
            DecodeError: It cannot become an event; the message says why.
        """
        headers, payload = Headers.of(message.headers), message.payload
        match self.source.decode:
            case "cloudevents":
                return event_of(headers, payload)
            case "auto" if claims_to_be_cloudevent(headers, payload):
                return event_of(headers, payload)
            case "auto":
                return self._made("json", headers, message)
            case kind:
                return self._made(kind, headers, message)

    def _made(
        self, kind: Kind | Literal["protobuf"], headers: Headers, message: SourceMessage
    ) -> Event:
        if headers.fault is not None:
            raise DecodeError("header", headers.fault)
        change = key_change(message.topic, headers)
        if change is None and is_delete_marker(headers, message.payload):
            raise DecodeError("marker", "the message marks that another one was deleted")
        # A message that removes a key has no value.
        has_body = change is None or change.operation == "put"
        values = _values(headers, message, change)
        body = self._body(kind, values, headers, message) if has_body else Body()
        scope = MessageScope(values, body.value, len(body.data or b""))
        attributes = {**self._defaults(message, change), **self._mapped.attributes(scope)}
        if "id" not in attributes:
            raise DecodeError(
                "id",
                "the time at which the stream stored the message is not known, and the default id "
                "needs it: give event.id in the source, or publish the message again",
            )
        extensions = {
            **self._mapped.extension_attributes(scope),
            **({HOPS: hops} if (hops := hops_in(headers, message.payload)) else {}),
            MADE_BY_SOURCE: message.stream or self.source.stream,
            **({} if change is None else {KEY_OPERATION: change.operation}),
            **({} if body.message is None else {PROTOBUF_MESSAGE: body.message}),
        }
        event = _event(attributes, extensions, body)
        # The default id is that of the message, so that each firing of a schedule has its own.
        return as_fired(event, headers) if "id" in self._mapped.texts else event

    def _body(
        self,
        kind: Kind | Literal["protobuf"],
        values: Mapping[str, Any],
        headers: Headers,
        message: SourceMessage,
    ) -> Body:
        if kind != "protobuf":
            return body_of(kind, headers, message.payload)
        if self._descriptors is None or self._message_type is None:
            raise DecodeError("protobuf", "the source has no descriptor sets")
        scope = MessageScope(values, lambda: ({}, None), 0)
        try:
            name = scope.text(self._message_type)
        except ExpressionError as error:
            raise DecodeError("expression", f"protobuf.message: {error}") from None
        # A message of nothing but default values has no bytes, and is one nevertheless.
        found = self._descriptors.json_of(name, message.payload)
        if self.source.protobuf is not None and self.source.protobuf.keep == "bytes":
            return protobuf_body(name, message.payload, found)
        return json_body(found)

    def json_of(self, event: Event) -> bytes:
        """Return the data of an event that was kept as a protocol buffer message, as JSON.

        Raises:
            DecodeError: The source has no such message type, or the data is not one of it.
        """
        if self._descriptors is None:
            raise DecodeError("protobuf", "its source has no descriptor sets any more")
        name = str(event.extensions[PROTOBUF_MESSAGE])
        return self._descriptors.json_of(name, event.data or b"")

    def _defaults(self, message: SourceMessage, change: KeyChange | None) -> dict[str, str]:
        topic = message.topic
        found = {"source": f"/nats/{message.stream or self.source.stream}"}
        if change is not None:
            # Not the key: it would be a type of its own.
            topic = f"kv.{change.bucket}.{change.operation}"
            found["subject"] = change.key
        found["type"] = message_type(self._type_prefix, topic)
        if message.arrived_ns is not None:
            found["id"] = f"{message.sequence}-{message.arrived_ns}"
            found["time"] = rfc3339(message.arrived_ns)
        return found


def rfc3339(nanoseconds: int) -> str:
    """Return a time since 1970 as RFC 3339 text with nanoseconds."""
    seconds, rest = divmod(nanoseconds, _NANOSECONDS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest:09d}Z"


def _values(
    headers: Mapping[str, str], message: SourceMessage, change: KeyChange | None
) -> dict[str, Any]:
    """Return what expressions read, but the data."""
    return {
        "subject": message.topic,
        "tokens": message.topic.split("."),
        # Header names are case-sensitive in NATS, and publishers do not agree on the case.
        "headers": {**{name.lower(): value for name, value in headers.items()}, **headers},
        "time": "" if message.arrived_ns is None else rfc3339(message.arrived_ns),
        "sequence": message.sequence,
        "key": "" if change is None else change.key,
        "operation": "" if change is None else change.operation,
    }


def _event(
    attributes: Mapping[str, str], extensions: Mapping[str, ExtensionValue], body: Body
) -> Event:
    for name, value in {**attributes, **extensions}.items():
        problem = attribute_problem(name, value)
        if problem is not None:
            raise DecodeError(name, problem)
    event = Event(
        id=attributes["id"],
        source=attributes["source"],
        type=attributes["type"],
        subject=attributes.get("subject"),
        time=attributes.get("time"),
        datacontenttype=body.content_type,
        data=body.data,
        extensions=dict(extensions),
    )
    problem = event_problem(event)
    if problem is not None:
        raise DecodeError("event", problem)
    return event
