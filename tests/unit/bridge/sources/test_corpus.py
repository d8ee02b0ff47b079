"""Messages as they are: what each message of a corpus becomes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from bridge.intake.consumer import Delivery
from bridge.intake.decision import Accepted, Counted, Judged, PassedOver, SetAside, judge
from bridge.routes.table import RouteTable
from bridge.settings.source_settings import SourceSettings
from bridge.sources import Sources
from bridge.sources.table import faults_of
from tests.support.descriptors import descriptor_set

CASES = yaml.safe_load(Path(__file__).with_name("messages.yaml").read_text(encoding="utf-8"))
CREATED = datetime(2025, 1, 1, tzinfo=UTC)
SETS = {"acme.binpb": descriptor_set()}
ARRIVED_NS = 1_748_779_200_000_000_005


def payload_of(message: Mapping[str, Any]) -> bytes:
    if "json" in message:
        return msgspec.json.encode(message["json"])
    if "hex" in message:
        return bytes.fromhex(str(message["hex"]))
    return str(message.get("text", "")).encode()


def judged(case: Mapping[str, Any], sequence: int = 7) -> Judged:
    source = SourceSettings.model_validate({"stream": "ORDERS", **case["source"]})
    assert not list(faults_of([source]))
    message = case["message"]
    delivery = Delivery(
        stream=source.stream,
        stream_created=CREATED,
        sequence=sequence,
        topic=message.get("subject", "orders.created"),
        headers=message.get("headers", {}),
        payload=payload_of(message),
        reply="",
        arrived_ns=ARRIVED_NS,
    )
    return judge(
        RouteTable((), sources=Sources([source], descriptors={"acme": SETS})), delivery, 16
    )


def test_names_are_unique_and_the_corpus_is_large() -> None:
    names = [case["name"] for case in CASES]
    assert len(set(names)) == len(names) >= 60


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_a_message_becomes_what_the_corpus_says(case: Mapping[str, Any]) -> None:
    found = judged(case)
    match found:
        case Accepted(event=event):
            expected = dict(case["event"])
            if "data" in expected:
                data = expected.pop("data")
                assert event.data == (None if data is None else data.encode())
            if "hex" in expected:
                assert event.data == bytes.fromhex(str(expected.pop("hex")))
            assert {name: getattr(event, name) for name in expected} == expected
        case SetAside(code=code, reason=reason):
            assert code == case["dead"]["code"], reason
            assert case["dead"]["reason"] in reason
        case PassedOver(reason=reason):
            assert case["passed"] in reason
        case Counted():
            assert case["counted"]


@pytest.mark.parametrize(
    "case", [case for case in CASES if "event" in case], ids=lambda case: case["name"]
)
def test_a_redelivery_is_the_same_event(case: Mapping[str, Any]) -> None:
    first, again = judged(case), judged(case)
    assert isinstance(first, Accepted)
    assert isinstance(again, Accepted)
    assert (first.event, first.event.uid) == (again.event, again.event.uid)
