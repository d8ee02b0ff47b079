"""What a unit test of routes gives: an event, or a message of a source. Pure."""

from base64 import b64decode
from binascii import Error as NotBase64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from bridge.cloudevents.codec import attributes, from_json
from bridge.errors import DecodeError
from bridge.jetstream.subjects import check_subject, topic_for
from bridge.routes.table import RouteTable
from bridge.sources import SourceMessage
from eventstore.events import Event

_DEFAULTS = {"specversion": "1.0", "id": "test", "source": "/test"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _zoned(value: Any) -> Any:
    return value.replace("Z", "+00:00") if isinstance(value, str) else value


class GivenMessage(BaseModel):
    """A message of a source: its body is ``data`` (as JSON), ``text`` or ``base64``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    stream: str
    subject: str
    headers: Mapping[str, str] = Field(default_factory=dict)
    data: Any = None
    text: str | None = None
    base64: str | None = None
    sequence: int = Field(1, ge=1)
    time: Annotated[datetime, BeforeValidator(_zoned)] = datetime(2000, 1, 1, tzinfo=UTC)
    """When the stream stored it."""

    @model_validator(mode="after")
    def _one_body(self) -> "GivenMessage":
        bodies = sorted({"data", "text", "base64"} & self.model_fields_set)
        if len(bodies) > 1:
            raise ValueError(f"{' and '.join(bodies)} exclude each other")
        return self

    def message(self) -> SourceMessage:
        """Return the message.

        Raises:
            DecodeError: The body is not JSON or not base64.
        """
        time = self.time if self.time.tzinfo else self.time.replace(tzinfo=UTC)
        return SourceMessage(
            topic=check_subject(self.subject),
            headers=dict(self.headers),
            payload=self._payload(),
            stream=self.stream,
            sequence=self.sequence,
            arrived_ns=(time - _EPOCH) // timedelta(microseconds=1) * 1000,
        )

    def _payload(self) -> bytes:
        try:
            if self.base64 is not None:
                return b64decode(self.base64, validate=True)
            if "data" in self.model_fields_set:
                return msgspec.json.encode(self.data)
        except NotBase64 as error:
            raise DecodeError("base64", f"the message is not base64: {error}") from None
        except (TypeError, ValueError) as error:
            raise DecodeError("json", f"the message is not JSON: {error}") from None
        return (self.text or "").encode()


class Given(BaseModel):
    """The incoming event, or the message that a source makes an event of."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    event: Mapping[str, Any] | None = None
    """A CloudEvent in the JSON format; specversion, id and source are optional."""
    topic: str | None = None
    """Of the event; default: derived from its type."""
    message: GivenMessage | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "Given":
        if (self.event is None) == (self.message is None):
            raise ValueError("give an event or a message")
        if self.message is not None and self.topic is not None:
            raise ValueError("a message has a subject, not a topic")
        return self

    def read(self, table: RouteTable) -> tuple[str, Event]:
        """Return the topic and the event.

        Raises:
            DecodeError: The event is not valid, or the message cannot become an event.
            SubjectError: The topic is not valid.
        """
        if self.message is not None:
            message = self.message.message()
            decoder = table.sources.decoder(message.stream, message.topic)
            return message.topic, decoder.decode(message)
        event = event_from(self.event or {})
        return check_subject(self.topic or topic_for(event.type)), event


def event_from(members: Mapping[str, Any]) -> Event:
    """Return an event from its JSON members; specversion, id and source are optional.

    Raises:
        DecodeError: The members are not a valid CloudEvent.
    """
    try:
        text = msgspec.json.encode({**_DEFAULTS, **members})
    except (TypeError, ValueError) as error:
        raise DecodeError("json", f"the event is not JSON: {error}") from error
    return from_json(text)


def attribute_difference(event: Event, wanted: Mapping[str, Any]) -> str:
    """Return how an event's attributes differ from the wanted ones; empty if they do not."""
    found = attributes(event)
    return "\n".join(
        f"event: {name} is {found.get(name)!r}, not {value!r}"
        for name, value in wanted.items()
        if found.get(name) != value
    )
