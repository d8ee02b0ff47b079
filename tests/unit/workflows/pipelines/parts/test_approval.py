"""When people are reminded, and how lengths of time are written."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from workflows.messages.approvals import Answer, Confirmation, Terms
from workflows.pipelines.parts.approval import MAX_REMINDERS, Question, agenda

OPENED = datetime(2026, 5, 1, tzinfo=UTC)
HOURS = st.integers(1, 1000).map(lambda hours: timedelta(hours=hours))


def question(**fields: Any) -> Question:
    return Question(
        **{
            "about": "io.example.approval",
            "text": "May it be?",
            "may_answer": ("ann",),
            "signal": "answer",
            "answer_with": "io.example.answered.v1",
            "within": timedelta(hours=24),
            **fields,
        }
    )


@given(HOURS, st.none() | HOURS, st.none() | HOURS)
def test_the_agenda_is_in_order_and_ends_in_time(
    within: timedelta, remind: timedelta | None, escalate: timedelta | None
) -> None:
    asked = question(
        within=within, remind_every=remind, escalate_after=escalate, escalate_to=("eve",)
    )
    moments = agenda(OPENED, asked)
    times = [moment for moment, _ in moments]
    assert times == sorted(times)
    assert moments[-1] == (OPENED + within, "ended")
    assert all(moment < OPENED + within for moment, happens in moments if happens != "ended")
    reminders = [happens for _, happens in moments].count("reminded")
    expected = 0 if remind is None else -(-within // remind) - 1
    assert reminders == min(expected, MAX_REMINDERS)
    escalated = [moment for moment, happens in moments if happens == "escalated"]
    assert escalated == (
        [OPENED + escalate] if escalate is not None and escalate < within else []
    )


def test_nothing_is_escalated_to_nobody() -> None:
    assert agenda(OPENED, question(escalate_after=timedelta(hours=1))) == [
        (OPENED + timedelta(hours=24), "ended")
    ]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("30s", 30), ("5m", 300), ("24h", 86400), ("1h30m", 5400), ("7d", 604800), (90, 90),
     ("1.5h", 5400), ("PT2H", 7200)],
)  # fmt: skip
def test_lengths_of_time(written: Any, seconds: int) -> None:
    terms = Terms(answer_within=written)
    assert terms.answer_within == timedelta(seconds=seconds)
    assert Terms.model_validate_json(terms.model_dump_json()) == terms


@pytest.mark.parametrize("written", ["soon", "-1h", "0s", "31d", True, None, ""])
def test_no_lengths_of_time(written: Any) -> None:
    with pytest.raises(ValidationError):
        Terms(answer_within=written)


def test_an_answer_says_why_or_for_what_reason() -> None:
    assert Answer.model_validate({"who": "ann", "approved": True, "why": "x"}).why == "x"
    assert Answer.model_validate({"who": "ann", "approved": False, "reason": "x"}).why == "x"
    assert Confirmation.model_validate({"who": "ann"}).approved
    assert not Confirmation.model_validate({"who": "ann", "confirmed": False}).approved


def test_people_have_a_day() -> None:
    assert Terms().answer_within == Terms().confirm_within == timedelta(hours=24)
