"""Which stored events a reader or a replay wants, and where they are kept and sent again."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from bridge.cloudevents import from_json, to_json
from bridge.errors import SubjectError
from bridge.history.replay import NatsTarget, Selection, marked
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


def test_a_replay_goes_to_the_subject_named_or_to_one_of_its_own() -> None:
    assert NatsTarget(replay_id=REPLAY, subject="again.x").topic_of(stored()) == "again.x"
    own = NatsTarget(replay_id=REPLAY).topic_of(stored())
    assert own == f"replay.{REPLAY}.events.example.placed"


@pytest.mark.parametrize("subject", ["again.>", "", "a b"])
def test_a_replay_goes_to_no_wildcard(subject: str) -> None:
    with pytest.raises(SubjectError):
        NatsTarget(replay_id=REPLAY, subject=subject).topic_of(stored())


def test_an_event_that_never_travelled_needs_a_subject() -> None:
    with pytest.raises(SubjectError, match="position 1 has no subject of its own"):
        NatsTarget(replay_id=REPLAY).topic_of(stored(topic=None))


def test_a_replayed_event_is_marked_and_otherwise_the_same() -> None:
    copy = marked(stored(), REPLAY).event
    assert copy.extensions == {"hops": 2, "replayid": str(REPLAY)}
    assert (copy.uid, copy.digest) == (EVENT.uid, EVENT.digest)
    assert from_json(to_json(copy)).extensions == copy.extensions
    again = marked(marked(stored(), UUID(int=1)), REPLAY).event
    assert again == copy
