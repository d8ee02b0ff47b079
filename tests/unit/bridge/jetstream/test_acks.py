"""The subject on which a message is acknowledged, with and without a domain."""

from datetime import UTC, datetime

import pytest

from bridge.jetstream.acks import Ack, ack_of, is_delivery

AT = datetime(2024, 5, 1, 12, 0, 0, 250_000, tzinfo=UTC)
TIME = f"{int(AT.timestamp())}250000000"


@pytest.mark.parametrize(
    "reply",
    [
        f"$JS.ACK.EVENTS.ntbridge.1.77.5.{TIME}.3",
        f"$JS.ACK.hub.ACC0UNT.EVENTS.ntbridge.1.77.5.{TIME}.3",
        f"$JS.ACK.hub.ACC0UNT.EVENTS.ntbridge.1.77.5.{TIME}.3.r4nd0m",
    ],
)
def test_every_form_says_the_same(reply: str) -> None:
    assert is_delivery(reply)
    assert ack_of(reply) == Ack(sequence=77, consumer_sequence=5, time_ns=int(TIME), pending=3)
    assert ack_of(reply).time == AT


@pytest.mark.parametrize("reply", ["", "_INBOX.x", "$JS.API.CONSUMER.MSG.NEXT.EVENTS.c"])
def test_what_is_no_message_of_a_stream(reply: str) -> None:
    assert not is_delivery(reply)
