"""What holds a dispatch up is said in words, the first obstacle first."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from bridge.inspect.waiting import holds

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Row:
    state: str = "open"
    target: str = "ship/1"
    key: str = "order-1"
    attempts: int = 0
    next_attempt_at: datetime = NOW
    waiting_until: datetime | None = None
    ahead: str | None = None
    together: str | None = None
    slot: str | None = None


AHEAD = "start pay/1 by route pay (event order-1)"
LATER = NOW + timedelta(hours=1)


@pytest.mark.parametrize(
    ("row", "paused", "words"),
    [
        (Row(state="done"), "route pay is paused", []),
        (Row(), None, ["due now"]),
        (Row(together="calls with 2 events"), None, ["due now"]),
        (
            Row(state="gathering", together="gathers in an open batch"),
            "route ship is paused",
            ["gathers in an open batch", "route ship is paused"],
        ),
        (
            Row(state="queued", slot="waits for the slot of key a"),
            "route ship is paused",
            ["waits for the slot of key a", "route ship is paused"],
        ),
        (
            Row(attempts=2, next_attempt_at=NOW + timedelta(seconds=12)),
            None,
            ["next try in 12 s (attempt 3)"],
        ),
        (Row(next_attempt_at=NOW + timedelta(minutes=5)), None, ["next try in 5 min"]),
        (Row(next_attempt_at=NOW + timedelta(hours=5)), None, ["next try in 5 h"]),
        (Row(ahead=AHEAD), None, [f"blocked by {AHEAD}, ahead of it in lane order-1"]),
        (
            Row(state="waiting", waiting_until=LATER, attempts=1, next_attempt_at=LATER),
            None,
            [
                "waits until 2026-11-30 13:00:00 UTC for workflow ship/1 to start",
                "next try in 60 min (attempt 2)",
            ],
        ),
        (
            Row(ahead=AHEAD),
            "route ship is paused since noon",
            [
                "route ship is paused since noon",
                f"blocked by {AHEAD}, ahead of it in lane order-1",
            ],
        ),
    ],
)
def test_what_holds_a_dispatch_up_is_said(
    row: Row, paused: str | None, words: list[str]
) -> None:
    assert holds(row, NOW, paused) == words


def test_the_limits_of_its_route_are_said_of_one_that_is_due() -> None:
    assert holds(Row(), NOW, None, "5/s") == ["due now, and its route is limited to 5/s"]
    later = Row(next_attempt_at=NOW + timedelta(minutes=5))
    assert holds(later, NOW, None, "5/s") == ["next try in 5 min"]
