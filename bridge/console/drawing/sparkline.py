"""A sparkline: one bar a minute, failures in another colour. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from bridge.inspect.activity import MinuteOutcome

MINUTES = 60
_BAD = frozenset({"dead", "collision"})
_HEIGHT = 24.0


class Bar(msgspec.Struct, frozen=True):
    """One minute; heights from 0 to 24."""

    x: int
    good: float
    bad: float


class Sparkline(msgspec.Struct, frozen=True, kw_only=True):
    """The last hour of one route."""

    bars: list[Bar]
    total: int
    bad: int
    most: int
    """The most in one minute."""


def sparklines(outcomes: Iterable[MinuteOutcome], now: datetime) -> dict[str, Sparkline]:
    """Return a sparkline for each route that settled something in the last hour."""
    first = now.replace(second=0, microsecond=0) - timedelta(minutes=MINUTES - 1)
    counts: dict[str, list[list[int]]] = {}
    for each in outcomes:
        minute = int((each.minute - first).total_seconds() // 60)
        if 0 <= minute < MINUTES:
            bars = counts.setdefault(each.route, [[0, 0] for _ in range(MINUTES)])
            bars[minute][each.state in _BAD] += each.dispatches
    return {route: _drawn(bars) for route, bars in counts.items()}


def _drawn(counts: list[list[int]]) -> Sparkline:
    most = max(done + dead for done, dead in counts)
    scale = _HEIGHT / most
    return Sparkline(
        bars=[
            Bar(minute, round(done * scale, 2), round(dead * scale, 2))
            for minute, (done, dead) in enumerate(counts)
            if done or dead
        ],
        total=sum(done + dead for done, dead in counts),
        bad=sum(dead for _, dead in counts),
        most=most,
    )
