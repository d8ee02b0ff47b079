"""A dead letter, for tests that need one and care about little of it."""

from datetime import UTC, datetime
from typing import Any

from bridge.dead_letters.store import WholeLetter

AT = datetime(2024, 5, 1, 12, 30, tzinfo=UTC)


def letter(**changes: Any) -> WholeLetter:
    """A letter of the stage dispatch, with some of its columns changed."""
    values: dict[str, Any] = {
        "id": 7,
        "stage": "dispatch",
        "code": "permanent",
        "reason": "INVALID_ARGUMENT: too large",
        "state": "open",
        "attempts": 3,
        "recorded_at": AT,
        "route": "ship",
        "generation": 1,
        "event_id": "order-1",
        "event_source": "/shop",
    }
    return WholeLetter(**{**values, **changes})
