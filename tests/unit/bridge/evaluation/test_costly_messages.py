"""Messages of sources that take long are decoded in a child process."""

from typing import Any

import msgspec
import pytest

from bridge.errors import DecodeError
from bridge.evaluation import INLINE_BYTES, Evaluator
from bridge.routes.table import RouteTable
from bridge.settings.source_settings import SourceSettings
from bridge.sources import SourceMessage, Sources
from tests.support.descriptors import descriptor_set


def table(**event: str) -> RouteTable:
    source = SourceSettings.model_validate(
        {"stream": "ORDERS", "decode": "json", "event": event}
    )
    return RouteTable((), sources=Sources([source]))


def message(data: Any) -> SourceMessage:
    return SourceMessage(
        topic="orders.created",
        payload=msgspec.json.encode(data),
        stream="ORDERS",
        sequence=7,
        arrived_ns=5,
    )


async def test_a_large_message_becomes_the_same_event_in_a_child() -> None:
    routes = table(subject="data.order")
    large = message({"order": "a", "more": "x" * 2 * INLINE_BYTES})
    async with Evaluator() as evaluator:
        received = await evaluator.receive(routes, large, 16)
        assert evaluator.pids
    assert received.event == routes.sources.decoder("ORDERS", "orders.created").decode(large)
    assert (received.event.id, received.event.subject) == ("7-5", "a")
    assert received.digest == received.event.digest


@pytest.mark.slow
async def test_an_expression_that_takes_too_much_is_a_dead_letter() -> None:
    routes = table(id='data.text.contains(data.word) ? "a" : "b"')
    bad = message({"text": "a" * 1_200_000, "word": "a" * 600_000 + "b"})
    async with Evaluator() as evaluator:
        with pytest.raises(DecodeError, match=r"processor time|no answer") as refused:
            await evaluator.receive(routes, bad, 16)
        assert refused.value.code == "too-costly"
        assert (await evaluator.receive(table(), message({}), 16)).event.id == "7-5"


async def test_a_protocol_buffer_message_that_takes_long_is_decoded_in_a_child() -> None:
    source = SourceSettings.model_validate(
        {
            "stream": "ORDERS",
            "decode": "protobuf",
            "protobuf": {"descriptors": "acme", "message": '"acme.Order"'},
        }
    )
    sets = {"acme": {"acme.binpb": descriptor_set()}}
    routes = RouteTable((), sources=Sources([source], descriptors=sets))
    total = b"\x22\x02\x08\x01"
    small, large = (
        SourceMessage(topic="orders.a", stream="ORDERS", payload=total * times, arrived_ns=5)
        for times in (1, 2_000)
    )
    async with Evaluator() as evaluator:
        assert (await evaluator.receive(routes, small, 16)).digest is None
        assert not evaluator.pids
        received = await evaluator.receive(routes, large, 16)
        assert evaluator.pids
    assert b'"total":{"cents":1}' in (received.event.data or b"")
