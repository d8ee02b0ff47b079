"""Publishes one event in structured mode and waits for the stream's acknowledgement."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

import msgspec
from msgspec.structs import replace
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.js.api import Header, PubAck
from nats.js.errors import APIError, NoStreamResponseError, NotFoundError
from opentelemetry.trace import SpanKind, get_current_span, get_tracer

from bridge.cloudevents.codec import encode, from_json
from bridge.errors import BridgeError, DecodeError, EncodeError
from bridge.jetstream.subjects import check_subject
from bridge.runtime.propagation import fields, from_fields
from bridge.settings.schema import NatsSettings
from eventstore.events import Event

MESSAGE_ID: Final[str] = Header.MSG_ID.value
EXPECTED_SEQUENCE: Final[str] = Header.EXPECTED_LAST_SEQUENCE.value
WRONG_LAST: Final = frozenset({10070, 10071, 10164})
"""JetStream's error codes for an unexpected last message of a stream."""

HEADER_ALLOWANCE: Final = 1024
"""Bytes of the server's message limit that are reserved for headers."""
_TRACER = get_tracer("nats-temporal-bridge")


class NotPublishedError(BridgeError):
    """NATS did not store the event."""


def complete(members: Mapping[str, Any]) -> Event:
    """Return an event from JSON members, with ``specversion``, ``id`` and ``time`` filled in.

    Raises:
        DecodeError: The members are not a valid CloudEvent.
    """
    defaults = {
        "specversion": "1.0",
        "id": str(uuid4()),
        "time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }
    try:
        text = msgspec.json.encode({**defaults, **members})
    except (TypeError, ValueError, msgspec.MsgspecError) as error:
        raise DecodeError("json", f"this is not JSON: {error}") from error
    except RecursionError:
        raise DecodeError("nesting", "the JSON is nested too deeply") from None
    return from_json(text)


def check_size(payload: bytes, most: int) -> None:
    """Check that a payload and its headers fit into ``most`` bytes, the server's limit.

    Raises:
        EncodeError: They do not.
    """
    if len(payload) + HEADER_ALLOWANCE > most:
        raise EncodeError(
            f"the event takes {len(payload)} bytes; the server takes {most}, "
            f"{HEADER_ALLOWANCE} of which are kept for headers"
        )


async def publish(client: Client, nats: NatsSettings, event: Event, topic: str) -> PubAck:
    """Publish an event and return when the stream has stored it.

    The event's uid is the message id, so the stream drops a repeat within its duplicate window.

    With tracing on, the message continues the current trace, or that of the event. An event without
    a trace context gets the current one.

    Raises:
        NotPublishedError: The stream refused the event, or no stream takes the topic.
    """
    template = f"{topic.partition('.')[0]}.>"
    began = from_fields(event.extensions)
    with _TRACER.start_as_current_span(
        f"send {template}",
        None if get_current_span().get_span_context().is_valid else began,
        SpanKind.PRODUCER,
        {
            "messaging.system": "nats",
            "messaging.operation.name": "send",
            "messaging.operation.type": "send",
            "messaging.destination.template": template,
            "messaging.destination.name": topic,
            "messaging.message.id": event.id,
        },
    ):
        trace = fields()
        if trace and began is None:
            event = replace(event, extensions={**event.extensions, **trace})
        headers, payload = encode(event)
        headers[MESSAGE_ID] = str(event.uid)
        subject = nats.subject(check_subject(topic))
        return await publish_message(client, subject, payload, {**headers, **trace})


async def stored_at(client: Client, ack: PubAck) -> datetime | None:
    """Return when the stream stored the acknowledged message; None if it is gone."""
    try:
        return (await client.jetstream().get_msg(ack.stream, ack.seq)).time
    except NotFoundError:
        return None


async def publish_message(
    client: Client,
    subject: str,
    payload: bytes,
    headers: dict[str, str],
) -> PubAck:
    """Publish one message and return when a stream has stored it.

    Raises:
        NotPublishedError: The stream refused the message, or no stream takes the subject.
    """
    if len(payload) > client.max_payload:
        raise NotPublishedError(
            f"the event takes {len(payload)} bytes; the server takes {client.max_payload} at most",
        )
    try:
        return await client.jetstream().publish(subject, payload, headers=headers, timeout=5)
    except NoStreamResponseError:
        raise NotPublishedError(
            f"no stream takes the subject {subject!r}; domain events go to 'events.…', and "
            "'ntbridge migrate' declares the bridge's streams",
        ) from None
    except APIError as error:
        raise NotPublishedError(
            f"the stream refused {subject!r}: {error.description}"
        ) from error
    except (NatsError, OSError, TimeoutError) as error:
        raise NotPublishedError(
            f"no acknowledgement for {subject!r} ({error!r}): it may be stored or not; publish "
            "it again with the same id, which is safe",
        ) from error
