"""Durations, points in time and rates as people write them, with their bounds. Pure.

Settings, routes, events and flags read durations by the one grammar here: ``30s``, ``10m``, ``2h``,
``7d``, ``1h30m``, ``1.5h``, ``500ms``. A duration that is too long fails late, where it is added to
a time, so each is checked where it is read.
"""

import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

MAX_SECONDS = 10 * 365 * 86_400.0
"""Ten years."""
_MAX_AGO_SECONDS = 100 * MAX_SECONDS
MIN_RATE, MAX_RATE = 1e-4, 1e6
"""Per second; the minimum is about one in three hours."""

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_PART = r"(\d+(?:\.\d+)?)(ms|s|m|h|d)"
_DURATION = re.compile(f"(?:{_PART})+")
PATTERN = f"^({_PART})+$".replace("(?:", "(")
"""The grammar as JSON Schema writes it."""


def read_duration(text: str) -> float | None:
    """Return the seconds of a duration such as ``1h30m``; None if the text is not one."""
    if not _DURATION.fullmatch(text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(_PART, text))


def read_seconds(text: str) -> float:
    """Return the seconds of a duration such as ``1h30m``, or of a number of seconds.

    Raises:
        ValueError: The text is neither.
    """
    seconds = read_duration(text)
    if seconds is None:
        try:
            seconds = float(text)
        except ValueError:
            raise not_a_duration(text) from None
    return seconds


def not_a_duration(value: object) -> ValueError:
    """Return the error for a value that is not a duration."""
    return ValueError(
        f"{value!r} is not a duration: write it like 500ms, 30s, 5m, 24h, 7d or 1h30m, or as a "
        "number of seconds"
    )


def _seconds(value: Any) -> Any:
    return read_seconds(value) if isinstance(value, str) else value


Duration = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=MAX_SECONDS)]
"""A duration in settings: ``30s``, ``1h30m`` or a number of seconds. In seconds once it is read."""


PointInTime = datetime | timedelta
"""A time, or how long ago: the clock that it is compared with decides which time that is."""


def moment(text: str) -> PointInTime:
    """Read how long ago (``10m``, ``1h30m``) or an ISO 8601 time; a time without an offset is UTC.

    Raises:
        ValueError: The text is neither; the message says what is accepted.
    """
    ago = read_duration(text)
    try:
        if ago is not None and ago <= _MAX_AGO_SECONDS:
            return timedelta(seconds=ago)
        found = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"{text!r} is not a point in time: give how long ago (30s, 10m, 1h30m, 7d) or "
            "an ISO 8601 time",
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def flag_seconds(_type: object, tokens: Sequence[Any]) -> float:
    """Convert a flag's value, as cyclopts calls it, into seconds.

    Raises:
        ValueError: The value is not a duration.
    """
    return read_seconds(tokens[0].value)


def check_seconds(_type: object, value: float | None) -> None:
    """Refuse a flag's duration that is out of bounds.

    Raises:
        ValueError: It is not 0 to ten years.
    """
    if value is not None and not 0 <= value <= MAX_SECONDS:  # false for nan
        raise ValueError(f"must be 0 to {MAX_SECONDS:.0f} seconds (ten years)")


def check_rate(_type: object, value: float | None) -> None:
    """Refuse a flag's rate that is out of bounds.

    Raises:
        ValueError: It is not one.
    """
    if value is not None and not (math.isfinite(value) and MIN_RATE <= value <= MAX_RATE):
        raise ValueError(f"must be {MIN_RATE:g} to {MAX_RATE:.0f} events a second")
