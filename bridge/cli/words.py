"""Times and ids as people read them in a terminal. Pure."""

from datetime import UTC, datetime
from uuid import UUID

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
SHORT_ID = 8
"""Characters of a uid that tables show: its first group."""


def span(seconds: float) -> str:
    """Return a duration in one unit: ``0.4 s``, ``12 s``, ``5 min``, ``3 h``, ``4 d``."""
    seconds = max(0.0, seconds)
    if seconds < 10:  # noqa: PLR2004 - below, a tenth matters
        return f"{seconds:.1f} s"
    # Two of a unit are shown in the next smaller one: 90 s is not "1 min".
    if seconds < 2 * _MINUTE:
        return f"{seconds:.0f} s"
    if seconds < 2 * _HOUR:
        return f"{seconds / _MINUTE:.0f} min"
    if seconds < 2 * _DAY:
        return f"{seconds / _HOUR:.0f} h"
    return f"{seconds / _DAY:.0f} d"


def age(moment: datetime, now: datetime) -> str:
    """Return how long ago a time was, or in how long it will be."""
    seconds = (now - moment).total_seconds()
    return f"in {span(-seconds)}" if seconds < 0 else f"{span(seconds)} ago"


def clock(moment: datetime) -> str:
    """Return a time to the second, in UTC."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"


def both(moment: datetime, now: datetime) -> str:
    """Return how long ago a time was, and the time."""
    return f"{age(moment, now)} ({clock(moment)})"


def short(uid: UUID | None) -> str:
    """Return the beginning of a uid, which commands accept instead of the whole; ``-`` for None."""
    return "-" if uid is None else str(uid)[:SHORT_ID]


def count(number: int, noun: str) -> str:
    """Return a number with its noun: ``1 event``, ``2 events``, ``2 dispatches``."""
    ending = "es" if noun.endswith("ch") else "s"
    return f"{number:,} {noun}{'' if number == 1 else ending}"
