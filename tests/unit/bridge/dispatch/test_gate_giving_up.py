"""When trying again has an end."""

from datetime import timedelta
from typing import Any

import pytest

from bridge.dispatch.gate import give_up_in_time
from bridge.operations.outcomes import Outcome
from tests.unit.bridge.dispatch.builders import PLANNED_AT, dispatch

HOUR = timedelta(hours=1)
FAILED = Outcome(state="open", code="transient", error="away")


@pytest.mark.parametrize(
    ("outcome", "row", "state"),
    [
        (FAILED, {}, "open"),
        (FAILED, {"attempts": 10_000}, "open"),
        (FAILED, {"attempts": 1, "give_up_attempts": 3}, "open"),
        (FAILED, {"attempts": 2, "give_up_attempts": 3}, "dead"),
        (FAILED, {"give_up_seconds": 3601.0}, "open"),
        (FAILED, {"give_up_seconds": 3600.0}, "dead"),
        (Outcome(state="done"), {"give_up_attempts": 1}, "done"),
        # Not finished is not failed, and being told to slow down is not either.
        (Outcome(state="open", code="resolved", run_id="r"), {"give_up_attempts": 1}, "open"),
        (
            Outcome(state="open", code="rate-limited", error="slowly", limited=True),
            {"give_up_attempts": 1, "give_up_seconds": 1.0},
            "open",
        ),
        (Outcome(state="open", code="unexplained", error="?"), {"attempts": 3}, "open"),
        (Outcome(state="open", code="unexplained", error="?"), {"attempts": 4}, "dead"),
        (Outcome(state="waiting", error="closed"), {"attempts": 999}, "waiting"),
        (Outcome(state="waiting", error="closed"), {"give_up_attempts": 1}, "waiting"),
        (
            Outcome(state="waiting", error="closed"),
            {"waiting_until": PLANNED_AT + 2 * HOUR},
            "waiting",
        ),
        (
            Outcome(state="waiting", error="closed"),
            {"waiting_until": PLANNED_AT + HOUR},
            "dead",
        ),
    ],
)
def test_what_becomes_of_an_outcome(outcome: Outcome, row: dict[str, Any], state: str) -> None:
    found = give_up_in_time(outcome, dispatch(**row), PLANNED_AT + HOUR)
    assert found.state == state
    assert found.error == outcome.error


def test_a_wait_that_was_in_vain_says_so() -> None:
    row = dispatch(waiting_until=PLANNED_AT)
    outcome = Outcome(state="waiting", code="target-closed", error="closed")
    assert give_up_in_time(outcome, row, PLANNED_AT).code == "waited-in-vain"
