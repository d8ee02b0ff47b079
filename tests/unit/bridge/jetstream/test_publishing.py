"""What a publisher need not say, and where an event goes that names no subject."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.errors import DecodeError, SubjectError
from bridge.jetstream.publishing import complete
from bridge.jetstream.subjects import check_subject, topic_for
from tests.unit.bridge.strategies import json_values

LEAST = {"source": "/shop", "type": "com.example.placed"}


def test_id_and_time_are_filled_in() -> None:
    event = complete(LEAST)
    assert event.time is not None
    assert event.time.endswith("Z")
    assert datetime.now(UTC) - datetime.fromisoformat(event.time) < timedelta(minutes=1)
    assert complete(LEAST).id != event.id


def test_what_is_given_is_kept() -> None:
    event = complete(
        {**LEAST, "id": "42", "time": "2024-05-01T12:00:00.5+02:00", "ext": 1, "data": {"n": 1}}
    )
    assert (event.id, event.time) == ("42", "2024-05-01T12:00:00.5+02:00")
    assert event.extensions == {"ext": 1}
    assert event.data == b'{"n":1}'


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"source": "/shop"}, "type"),
        ({"type": "t"}, "source"),
        ({**LEAST, "specversion": "0.3"}, "specversion"),
        ({**LEAST, "id": ""}, "id"),
        ({**LEAST, "My_Ext": 1}, "attribute-name"),
        ({**LEAST, "data": object()}, "json"),
        ({**LEAST, "source": "/shop\udce9"}, "json"),
    ],
)
def test_what_is_no_event_is_refused(members: dict[str, Any], code: str) -> None:
    with pytest.raises(DecodeError) as refusal:
        complete(members)
    assert refusal.value.code == code


def test_data_that_is_nested_without_end_is_refused() -> None:
    deep: list[Any] = []
    deep.append(deep)
    with pytest.raises(DecodeError, match="nested too deeply"):
        complete({**LEAST, "data": deep})


@given(st.dictionaries(st.text(max_size=6), json_values, max_size=4))
def test_any_members_are_an_event_or_refused(members: dict[str, Any]) -> None:
    try:
        event = complete({**LEAST, **members})
    except DecodeError:
        return
    assert event.id


@pytest.mark.parametrize(
    ("event_type", "topic"),
    [
        (
            "io.quantum-suite.code-generation.requested.v1",
            "events.code-generation.requested",
        ),
        ("io.quantum-suite.infra.approval-confirmed.v12", "events.infra.approval-confirmed"),
        ("com.example.placed", "events.example.placed"),
        ("shop.placed", "events.shop.placed"),
        ("shop.placed.v", "events.placed.v"),
        ("shop.v1.placed", "events.v1.placed"),
        ("shop.placed.v1.v2", "events.placed.v1"),
    ],
)
def test_the_topic_is_domain_and_name_of_the_type(event_type: str, topic: str) -> None:
    assert topic_for(event_type) == topic
    assert check_subject(topic) == topic


@pytest.mark.parametrize("event_type", ["placed", "placed.v1", ".v1", ""])
def test_a_type_of_one_label_names_no_topic(event_type: str) -> None:
    with pytest.raises(SubjectError, match="cannot derive a topic from the type"):
        topic_for(event_type)


@pytest.mark.parametrize(
    "event_type", ["shop..v1", "shop.", "shop.*", "my shop.placed", "shop.>", "x." + "y" * 300]
)
def test_a_type_that_makes_no_subject_is_refused(event_type: str) -> None:
    with pytest.raises(SubjectError):
        topic_for(event_type)
