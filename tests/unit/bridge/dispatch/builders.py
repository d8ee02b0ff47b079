"""Dispatches, for tests that care about little of them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from bridge.dispatch.pace import Pace
from bridge.operations.base import Dispatch

PLANNED_AT = datetime(2024, 5, 1, tzinfo=UTC)


def dispatch(number: int = 1, key: str = "k", **changes: Any) -> Dispatch:
    """A dispatch with this id and position."""
    return Dispatch(
        **{
            "id": number,
            "uid": UUID(int=number),
            "position": number,
            "route": "route",
            "generation": 1,
            "operation": "start",
            "key": key,
            "target": f"target-{number}",
            "request_id": UUID(int=number),
            "call": b'{"workflow": "W", "task_queue": "q"}',
            "planned_at": PLANNED_AT,
            "taken_at": PLANNED_AT,
            "read_at": 0.0,
            **changes,
        }
    )


BASE = 0.02
"""How long a call takes that has no company, in seconds."""


def at_ease(pace: Pace) -> Pace:
    """The pace once it has seen how long a call takes without company."""
    initial = pace.limit
    while pace.limit == initial:
        pace.answered(BASE, 1)
    while pace.limit != initial:
        pace.answered(BASE, 1)
    return pace
