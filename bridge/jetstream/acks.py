"""Metadata of a JetStream delivery, read from its ack subject. Pure.

``$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>``, or with
``<domain>.<account hash>.`` after ``$JS.ACK.`` and possibly one more token at the end (ADR-15 of
nats-architecture-and-design). Only a stream message has such a reply subject. It distinguishes
stream messages from control messages of the server, whatever their headers say.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_PREFIX = "$JS.ACK."
_SHORT = 9
"""Tokens of the form without a domain."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ack:
    """Metadata of one delivery of a message."""

    sequence: int
    """Stream sequence of the message."""
    consumer_sequence: int
    """Consumer sequence of the delivery: 1 is the first after the consumer's creation or reset."""
    time_ns: int
    """When the stream stored the message, in nanoseconds since 1970."""
    pending: int
    """How many messages are left for the consumer."""

    @property
    def time(self) -> datetime:
        """When the stream stored the message."""
        return _EPOCH + timedelta(microseconds=self.time_ns / 1000)


def is_delivery(reply: str) -> bool:
    """Return whether a message with this reply subject comes from a stream."""
    return reply.startswith(_PREFIX)


def ack_of(reply: str) -> Ack:
    """Parse the reply subject of a delivery."""
    tokens = reply.split(".")
    if len(tokens) > _SHORT:
        tokens = tokens[2:]
    return Ack(
        sequence=int(tokens[5]),
        consumer_sequence=int(tokens[6]),
        time_ns=int(tokens[7]),
        pending=int(tokens[8]),
    )
