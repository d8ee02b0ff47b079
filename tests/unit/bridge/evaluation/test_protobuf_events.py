"""Events that are kept as protocol buffer messages: JSON for expressions, bytes for workflows."""

import msgspec
import pytest

from bridge.evaluation import INLINE_BYTES, Evaluator
from bridge.operations.starting import PlannedStart, start_call
from bridge.routes.model import RoutesFile
from bridge.routes.table import RouteTable, table_of
from bridge.settings.source_settings import SourceSettings
from bridge.sources import SourceMessage, Sources
from eventstore.events import Event
from tests.support.descriptors import descriptor_set
from tests.support.operations import dispatch_of, stored

START = {"workflow": "W", "task_queue": "q"}
SOURCE = SourceSettings.model_validate(
    {
        "stream": "ORDERS",
        "decode": "protobuf",
        "protobuf": {"descriptors": "acme", "message": '"acme.Order"', "keep": "bytes"},
    }
)
ORDER = bytes.fromhex("0a0241311003")  # order_id: A1, count: 3


def table(sources: Sources | None = None) -> RouteTable:
    file = RoutesFile.model_validate(
        {
            "routes": [
                {
                    "name": "bytes",
                    "from": "orders.>",
                    "when": 'data.count == "3"',
                    "start": {**START, "id": "data.order_id", "input": "raw"},
                },
                {
                    "name": "json",
                    "from": "orders.>",
                    "start": {**START, "id": '"json/" + data.order_id', "input": "data"},
                },
            ]
        }
    )
    known = Sources([SOURCE], descriptors={"acme": {"acme.binpb": descriptor_set()}})
    return RouteTable(file.routes, sources=known if sources is None else sources)


def message(payload: bytes) -> SourceMessage:
    return SourceMessage(
        topic="orders.created", payload=payload, stream="ORDERS", sequence=7, arrived_ns=5
    )


@pytest.mark.parametrize("padding", [0, INLINE_BYTES], ids=["here", "in a child"])
async def test_expressions_read_json_and_the_workflow_gets_the_bytes(padding: int) -> None:
    # An unknown field, which the JSON does not have.
    payload = ORDER + bytes([0x7A, *_varint(padding)]) + b"x" * padding
    async with Evaluator() as evaluator:
        received = await evaluator.receive(table(), message(payload), 16)
        assert bool(evaluator.pids) is bool(padding)
    assert [(each.target, each.state) for each in received.plan] == [
        ("A1", "open"),
        ("json/A1", "open"),
    ]
    calls = [msgspec.json.decode(each.call, type=PlannedStart) for each in received.plan]
    dispatch = dispatch_of({"start": START}, received.event)
    raw, as_json = (
        start_call(each, dispatch, stored(received.event)).argument for each in calls
    )
    assert (raw.data, raw.is_json) == (payload, False)
    assert msgspec.json.decode(as_json.data or b"") == {
        "order_id": "A1",
        "count": "3",
        "labels": {},
    }
    assert as_json.is_json


def test_a_stored_event_is_read_again_by_a_table_from_its_definition() -> None:
    event = table().sources.decoder("ORDERS", "orders.created").decode(message(ORDER))
    plan = table_of(table().definition).plan("orders.created", event)
    assert [each.target for each in plan] == ["A1", "json/A1"]


def test_an_event_whose_source_is_gone_says_so() -> None:
    event: Event = table().sources.decoder("ORDERS", "x").decode(message(ORDER))
    plan = table(Sources()).plan("orders.created", event)
    assert [each.state for each in plan] == ["dead", "dead"]
    assert "no source reads protocol buffers from ORDERS" in str(plan[0].error)


def _varint(number: int) -> list[int]:
    found = []
    while number > 0x7F:
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return [*found, number]
