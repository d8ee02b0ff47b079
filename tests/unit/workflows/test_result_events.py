"""Result events: their ids, their lineage and what is appended for them."""

from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from eventstore.events import Origin, uid
from workflows.activities.result_events import event_id, new_event, stream_of
from workflows.lineage import lineage_of
from workflows.messages.result_events import ResultEvent
from workflows.result_events import source_of

RUN = st.tuples(
    st.text(min_size=1, max_size=40),  # workflow id: anything goes
    st.uuids().map(str),
    st.from_regex(r"[A-Za-z0-9-]+", fullmatch=True),
    st.integers(min_value=0, max_value=1000),
)


@given(RUN)
def test_the_same_place_in_the_same_run_gives_the_same_id(
    run: tuple[str, str, str, int],
) -> None:
    assert event_id(*run) == event_id(*run)
    assert UUID(event_id(*run)).version == 5


@given(RUN, RUN)
def test_different_places_give_different_ids(
    one: tuple[str, str, str, int], other: tuple[str, str, str, int]
) -> None:
    assert (event_id(*one) == event_id(*other)) == (one == other)


def test_ids_are_part_of_the_contract() -> None:
    assert event_id("w", "r", "1", 0) == "4dd1a3f3-1df2-54ba-b5ad-0f04e657869e"


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
    }


def test_a_run_that_an_event_started_carries_it_on() -> None:
    lineage = lineage_of(
        memo(traceparent="00-a-b-01", tracestate="k=v", partitionkey="p"),
        source="/temporal/default/W",
        workflow_id="w",
    )
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
    lineage = lineage_of(memo(traceparent=7, tracestate=True), source="/s", workflow_id="w")
    assert lineage.extensions == {"correlationid": "first", "causationid": "42", "hops": 3}


def test_a_run_started_by_hand_is_an_origin() -> None:
    lineage = lineage_of({"note": 1}, source="/temporal/default/W", workflow_id="w")
    assert lineage.correlation_id == "w"
    assert lineage.correlation_uid == uid("/temporal/default/W", "w")
    assert lineage.causation_uid is None
    assert lineage.extensions == {"correlationid": "w", "hops": 0}


@pytest.mark.parametrize("broken", [{"bridge": {}}, {"bridge": None}, {**memo(), "ce": "x"}])
def test_an_unreadable_memo_is_told(broken: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        lineage_of(broken, source="/s", workflow_id="w")


def test_what_is_appended() -> None:
    correlation, causation = uuid4(), uuid4()
    new = new_event(
        ResultEvent(
            type="io.quantum-suite.code-generation.completed.v1",
            source="/temporal/default/W",
            subject="w",
            topic="results.code-generation.completed",
            time="2026-01-02T03:04:05Z",
            data={"code": "x = 'ü'", "n": [1, 2.5, None, True]},
            extensions={"correlationid": "c", "hops": 1},
            correlation_id="c",
            correlation_uid=correlation,
            causation_uid=causation,
        ),
        "the-id",
    )
    event = new.event
    assert (event.id, event.subject, event.time) == ("the-id", "w", "2026-01-02T03:04:05Z")
    assert event.datacontenttype == "application/json"
    assert event.data is not None
    assert msgspec.json.decode(event.data) == {"code": "x = 'ü'", "n": [1, 2.5, None, True]}
    assert event.extensions == {"correlationid": "c", "hops": 1}
    assert (new.origin, new.topic) == (Origin.EMITTED, "results.code-generation.completed")
    assert (new.correlation_id, new.correlation_uid) == ("c", correlation)
    assert new.causation_uid == causation


def test_names_are_derived() -> None:
    assert stream_of("code-generation/1") == "run-code-generation/1"
    assert source_of("default", "CodeGenerationWorkflow") == (
        "/temporal/default/CodeGenerationWorkflow"
    )
    assert source_of("a b", "x/y") == "/temporal/a%20b/x%2Fy"
