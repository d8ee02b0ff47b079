"""Where a new leader begins, and which deliveries it admits."""

from datetime import UTC, datetime

import pytest

from bridge.intake.placement import (
    LastRecorded,
    Removed,
    UnbrokenRun,
    begin_at,
    complete_through,
    removed_before,
)
from bridge.settings.schema import IntakeSettings, SourceSettings

CREATED = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("retention", "recorded", "floor", "begin"),
    [
        ("limits", 0, None, 1),
        ("limits", 10, 3, 11),
        ("interest", 10, 3, 4),
        ("interest", 10, 12, 11),
        ("interest", 10, None, 11),
        ("workqueue", 10, 3, 1),
    ],
)
def test_where_the_consumer_begins(
    retention: str, recorded: int, floor: int | None, begin: int
) -> None:
    assert begin_at(retention, recorded, floor) == begin


def test_what_was_removed_is_what_lies_between_the_last_and_the_next_message() -> None:
    assert removed_before(CREATED, 0, 1) is None
    assert removed_before(CREATED, 0, 0) is None, "an empty stream"
    assert removed_before(CREATED, 0, 100) == Removed(CREATED, 1, 99)
    assert removed_before(CREATED, 5, 6) is None
    assert removed_before(CREATED, 5, 9) == Removed(CREATED, 6, 8)


@pytest.mark.parametrize(
    ("sequence", "seen", "stream_last", "retention", "through"),
    [
        (5, 90, 100, "limits", 90),
        (95, 90, 100, "limits", 95),
        (5, None, 100, "limits", None),
        (5, 90, 80, "limits", None),
        (5, 90, 100, "interest", None),
        (5, 90, 100, "workqueue", None),
    ],
)
def test_how_far_a_source_with_a_subject_is_recorded(
    sequence: int, seen: int | None, stream_last: int, retention: str, through: int | None
) -> None:
    last = LastRecorded(sequence, seen_through=seen)
    assert complete_through(last, stream_last, retention) == through


def test_a_run_admits_nothing_after_a_gap() -> None:
    run = UnbrokenRun()
    assert [run.admits(number) for number in (1, 2, 4, 3, 5)] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert run.broken


@pytest.mark.parametrize("first", [2, 0])
def test_a_run_begins_with_one(first: int) -> None:
    assert not UnbrokenRun().admits(first)


def test_a_consumer_has_a_name_for_each_subject_that_the_server_takes() -> None:
    names = [
        SourceSettings(subject=subject).durable
        for subject in (None, "a.*", "a.>", "a.b", "a_b", ">", "é.x")
    ]
    assert names[0] == "ntbridge"
    assert len(set(names)) == len(names)
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_-x") for name in names)


def test_the_same_source_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="EVENTS/ntbridge"):
        IntakeSettings(sources=(SourceSettings(), SourceSettings()))
