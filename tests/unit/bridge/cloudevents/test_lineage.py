"""What a run learns about the event that caused it."""

from typing import Any

import msgspec
import pytest

from bridge.cloudevents.lineage import hops_of, inherited, memo_of, originating
from eventstore.events import uid
from tests.unit.bridge.builders import CORRELATION, EVENT, stored


@pytest.mark.parametrize(
    ("hops", "counted"),
    [(2, 2), ("2", 2), ("two", 0), (-1, 0), (True, 0), ("", 0), ("9" * 5000, 0)],
)
def test_hops_that_are_no_count_count_for_nothing(hops: Any, counted: int) -> None:
    assert hops_of(msgspec.structs.replace(EVENT, extensions={"hops": hops})) == counted


def test_a_run_learns_what_caused_it() -> None:
    assert memo_of("ship", stored()) == {
        "uid": str(EVENT.uid),
        "route": "ship",
        "correlation_id": "c-1",
        "correlation_uid": str(CORRELATION),
        "hops": 2,
    }


def memo(**ce: Any) -> dict[str, Any]:
    return {
        "ce": {"id": "42", "source": "/shop", "type": "t", "subject": None, **ce},
        "bridge": {
            "uid": str(uid("/shop", "42")),
            "route": "code-generation",
            "correlation_id": "first",
            "correlation_uid": str(uid("/portal", "first")),
            "hops": 2,
        },
        "note": 1,
    }


def test_a_run_that_an_event_started_carries_it_on() -> None:
    lineage = inherited(memo(traceparent="00-a-b-01", tracestate="k=v", partitionkey="p"))
    assert lineage.correlation_id == "first"
    assert lineage.correlation_uid == uid("/portal", "first")
    assert lineage.causation_uid == uid("/shop", "42")
    assert lineage.extensions == {
        "correlationid": "first",
        "causationid": "42",
        "traceparent": "00-a-b-01",
        "tracestate": "k=v",
        "hops": 3,
    }


def test_a_trace_context_that_is_none_costs_no_lineage() -> None:
    lineage = inherited(memo(traceparent=7, tracestate=True))
    assert lineage.extensions == {"correlationid": "first", "causationid": "42", "hops": 3}


def test_a_run_started_by_hand_is_an_origin() -> None:
    lineage = originating("/temporal/default/W", "w")
    assert lineage.correlation_id == "w"
    assert lineage.correlation_uid == uid("/temporal/default/W", "w")
    assert lineage.causation_uid is None
    assert lineage.extensions == {"correlationid": "w", "hops": 0}


@pytest.mark.parametrize("broken", [{}, {"bridge": None}, {**memo(), "ce": "x"}])
def test_an_unreadable_memo_is_told(broken: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        inherited(broken)
