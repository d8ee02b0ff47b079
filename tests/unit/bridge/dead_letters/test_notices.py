"""The notice of a letter: the same for the same letter, on a subject that always fits."""

from uuid import UUID

import msgspec
import pytest

from bridge.cloudevents.codec import from_json, to_json
from bridge.dead_letters.letters import Stage
from bridge.dead_letters.notices import notice_of, topic_of
from bridge.jetstream.subjects import check_subject
from bridge.runtime.event_types import DEFAULT_PREFIX
from bridge.samples.event_types import names, violation
from tests.unit.bridge.dead_letters.builders import letter

HERE, ELSEWHERE = UUID(int=1), UUID(int=2)
PREFIX = "com.example"


def test_the_same_letter_gives_the_same_notice() -> None:
    assert notice_of(letter(), HERE, PREFIX, "c") == notice_of(letter(), HERE, PREFIX, "c")
    others = [notice_of(letter(id=8), HERE, PREFIX), notice_of(letter(), ELSEWHERE, PREFIX)]
    assert len({notice_of(letter(), HERE, PREFIX).id, *(each.id for each in others)}) == 3


def test_it_is_a_cloudevent_without_the_message_s_bytes() -> None:
    whole = letter(payload=b"secret", headers={"secret": "secret"}, traceback="secret")
    event = notice_of(whole, HERE, PREFIX, "c-1")
    assert from_json(to_json(event)) == event
    assert event.type == "com.example.bridge.dead-lettered.v1"
    assert event.subject == "7"
    assert event.time == "2024-05-01T12:30:00Z"
    assert event.extensions == {"correlationid": "c-1", "causationid": "order-1"}
    assert b"secret" not in to_json(event)


def test_what_an_undecodable_message_says_is_no_attribute() -> None:
    event = notice_of(letter(uid=None, event_id="\n"), HERE, PREFIX)
    assert event.extensions == {}
    assert from_json(to_json(event)) == event


@pytest.mark.parametrize("about", [{}, {"uid": None, "event_id": None, "route": None}])
def test_it_fits_the_schema_that_ships(about: dict[str, None]) -> None:
    event = notice_of(letter(**about), HERE, DEFAULT_PREFIX)
    assert event.type in names()
    assert violation(event) is None


def test_a_long_reason_is_cut() -> None:
    event = notice_of(letter(reason="x" * 100_000), HERE, PREFIX)
    assert len(msgspec.json.decode(event.data or b"")["reason"]) == 4000


@pytest.mark.parametrize(
    ("stage", "route", "topic"),
    [
        ("intake", None, "deadletters.intake.-"),
        ("dispatch", "ship", "deadletters.dispatch.ship"),
        ("dispatch", "a.b..c", "deadletters.dispatch.a_b__c"),
    ],
)
def test_subjects(stage: Stage, route: str | None, topic: str) -> None:
    assert topic_of(stage, route) == check_subject(topic)
