"""Bounds of what is given in seconds, for settings, routes, flags and events alike. Pure.

A duration that is too long does not fail where it is read, but later, where it is added to a
time: each is checked where it is read.
"""

import math

MAX_SECONDS = 10 * 365 * 86_400.0
"""Ten years."""
MIN_RATE, MAX_RATE = 1e-4, 1e6
"""A second; the least is about one in three hours."""


def check_seconds(_type: object, value: float | None) -> None:
    """Refuse a flag that is no number of seconds, 0 to ten years.

    Raises:
        ValueError: It is not.
    """
    if value is not None and not 0 <= value <= MAX_SECONDS:  # false for what is no number
        raise ValueError(f"it is a number of seconds, 0 to {MAX_SECONDS:.0f}")


def check_rate(_type: object, value: float | None) -> None:
    """Refuse a flag that is no number of events a second.

    Raises:
        ValueError: It is not.
    """
    if value is not None and not (math.isfinite(value) and MIN_RATE <= value <= MAX_RATE):
        raise ValueError(f"it is a number of events a second, {MIN_RATE:g} to {MAX_RATE:.0f}")
