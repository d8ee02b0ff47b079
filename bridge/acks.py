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
    time: datetime
    """When the stream took it."""
    pending: int
    """How many messages are left for the consumer."""


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
        time=_EPOCH + timedelta(microseconds=int(tokens[7]) / 1000),
        pending=int(tokens[8]),
    )
