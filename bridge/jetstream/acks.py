"""What JetStream says about a message by the subject on which it is acknowledged. Pure.

``$JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>``, or with
``<domain>.<account hash>.`` behind ``$JS.ACK.`` and possibly a token more at the end (ADR-15 of
nats-architecture-and-design). Only a message of a stream has such a reply: by it a message is
told from the server's own, whatever its headers say.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_PREFIX = "$JS.ACK."
_SHORT = 9
"""Tokens of the form without a domain."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Ack:
    """One arrival of a message."""

    sequence: int
    """Of the message in its stream."""
    consumer_sequence: int
    """Of this delivery in its consumer: 1 for the first since the consumer was made or reset."""
    time_ns: int
    """When the stream took it, in nanoseconds since 1970."""
    pending: int
    """How many messages are left for the consumer."""

    @property
    def time(self) -> datetime:
        """When the stream took it."""
        return _EPOCH + timedelta(microseconds=self.time_ns / 1000)


def is_delivery(reply: str) -> bool:
    """Tell a message of a stream from one of the server's own."""
    return reply.startswith(_PREFIX)


def ack_of(reply: str) -> Ack:
    """Read the reply of a delivery."""
    tokens = reply.split(".")
    if len(tokens) > _SHORT:
        tokens = tokens[2:]
    return Ack(
        sequence=int(tokens[5]),
        consumer_sequence=int(tokens[6]),
        time_ns=int(tokens[7]),
        pending=int(tokens[8]),
    )
