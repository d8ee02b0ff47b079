"""Which stored events a reader or a replay wants, and where they are kept and sent again."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import msgspec
import pytest
from msgspec.structs import replace

from bridge.cel import compile_expression
from bridge.cloudevents.codec import from_json, to_json
from bridge.errors import ExpressionError, SubjectError
from bridge.evaluation import Evaluator
from bridge.history.replay.selection import Selection, copied
from bridge.history.replay.to_nats import topic_of
from eventstore.events import Origin
from eventstore.filters import Filter
from tests.unit.bridge.builders import CORRELATION, EVENT, stored

REPLAY = UUID(int=9)
RECORDED = datetime(2024, 5, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"type": "com.example.placed"},
        {"type_prefix": "com.example."},
        {"stream": "example-order 7"},
        {"category": "example"},
        {"source": "/shop"},
        {"subject": "order 7"},
        {"topic": "events.example.placed"},
        {"correlation_id": "c-1"},
        {"correlation_uid": CORRELATION},
        {"origin": Origin.RECEIVED},
        {"since": RECORDED},
        {"until": RECORDED + SECOND},
        {"since": RECORDED.astimezone(timezone(timedelta(hours=5)))},
        {"type": "com.example.placed", "source": "/shop", "since": RECORDED},
    ],
)
def test_an_event_passes_when_all_conditions_hold(conditions: Mapping[str, Any]) -> None:
    assert Filter(**conditions).matches(stored())


@pytest.mark.parametrize(
    "conditions",
    [
        {"type": "com.example"},
        {"type_prefix": "com.example.%"},
        {"type_prefix": "COM."},
        {"stream": "example"},
        {"category": "example-order 7"},
        {"source": "/"},
        {"subject": "order"},
        {"topic": "events.>"},
        {"correlation_id": ""},
        {"correlation_uid": REPLAY},
        {"causation_id": "42"},
        {"tenant": "x"},
        {"origin": Origin.EMITTED},
        {"since": RECORDED + SECOND},
        {"until": RECORDED},
        {"type": "com.example.placed", "source": "/other"},
    ],
)
def test_an_event_fails_when_one_condition_does(conditions: Mapping[str, Any]) -> None:
    assert not Filter(**conditions).matches(stored())


def test_a_filter_without_conditions_is_empty() -> None:
    assert Filter().is_empty
    assert not Filter(type_prefix="").is_empty
    assert not Filter(since=RECORDED).is_empty


def test_times_without_a_zone_are_refused() -> None:
    unzoned = RECORDED.replace(tzinfo=None)
    with pytest.raises(ValueError, match="time zone"):
        Filter(since=unzoned)
    with pytest.raises(ValueError, match="time zone"):
        Filter(until=unzoned)


def test_a_selection_includes_its_first_position_and_excludes_its_last() -> None:
    some = Selection(where=Filter(), from_position=5, to_position=8)
    assert (some.after, some.through) == (4, 7)
    everything = Selection(where=Filter())
    assert (everything.after, everything.through) == (0, None)


async def test_a_condition_selects_and_where_it_fails_it_does_not() -> None:
    large = compile_expression("data.n > 1", "bool")
    evaluator = Evaluator()
    assert await evaluator.holds(large, "a.b", replace(EVENT, data=b'{"n": 2}'))
    assert not await evaluator.holds(large, "a.b", replace(EVENT, data=b'{"n": 1}'))
    assert not await evaluator.holds(large, "a.b", replace(EVENT, data=b"{}"))
    with pytest.raises(ExpressionError):
        Selection(where=Filter(), condition="data.n >")


def test_what_is_selected_survives_as_json() -> None:
    some = Selection(
        where=Filter(type="t", since=RECORDED), from_position=3, condition="data.n > 1"
    )
    assert msgspec.json.decode(msgspec.json.encode(some), type=Selection) == some


def test_a_replay_goes_to_the_subject_named_or_to_one_of_its_own() -> None:
    assert topic_of(stored(), REPLAY, "again.x") == "again.x"
    assert topic_of(stored(), REPLAY) == f"replay.{REPLAY}.events.example.placed"


def test_an_event_that_never_travelled_needs_a_subject() -> None:
    with pytest.raises(SubjectError, match="has no subject: name one"):
        topic_of(stored(topic=None), REPLAY)


def test_a_replayed_event_is_marked_and_otherwise_the_same() -> None:
    copy = copied(EVENT, str(REPLAY))
    assert copy.extensions == {"hops": 2, "replayid": str(REPLAY)}
    assert (copy.uid, copy.digest) == (EVENT.uid, EVENT.digest)
    assert from_json(to_json(copy)).extensions == copy.extensions
    again = copied(copied(EVENT, str(UUID(int=1))), str(REPLAY))
    assert again == copy
