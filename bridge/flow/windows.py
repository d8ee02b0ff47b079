"""`Windows`: which events are called together, and when: debounce and batch. Pure; time is an argument.

::

    debounce, for 10 s, at_most 25 s      batch, size 3, for 10 s

    events   a    b        c              events   a    b   c    d
    time     0    8       16        25    time     0    2   5    9              19
    window   ├────┴────────┴─────────┤    window   ├────┴───┤    ├───────────────┤
                                 calls c           calls [a b c]           calls [d]

A debounced window closes when its key was quiet for a time, or when it has been open for ``at_most``. A batch
closes when it has ``size`` events, or a time after its first one. A window that gives all of its events closes
before the event with which they would be too large. A key has one open window, and its windows close in order.

A window that closes has one *call*: that of its last event in recorded order.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import msgspec

WindowKind = Literal["debounce", "batch"]
ClosedBy = Literal["time", "size", "bytes", "route"]
"""Why a window closed: its time was over, it was full, the next event did not fit, or the route changed."""


class WindowPlan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The window that a dispatch joins, as its row stores it. Times are in seconds."""

    kind: WindowKind
    key: str
    target: str = ""
    """The workflow that all of its events are for; empty: any, because the call starts one."""
    seconds: float
    """Debounce: how long its key must be quiet. Batch: how long it may stay open."""
    at_most: float | None = None
    """Debounce: how long it may stay open; None: as long as events come."""
    size: int | None = None
    """How many events it may have; None: any number."""
    max_bytes: int | None = None
    """How many bytes its events may have together; None: any number."""
    bytes: int = 0
    """How many of them this event has."""
    gives_all: bool = False
    """Whether the call gets all events, not only the last one."""


class Closed(msgspec.Struct, frozen=True, kw_only=True):
    """A window that has closed."""

    key: tuple[str, str]
    """Its key and target."""
    members: tuple[int, ...]
    """Its events in recorded order; the last one calls."""
    by: ClosedBy


class _Window(msgspec.Struct, kw_only=True):
    plan: WindowPlan
    revision: str
    opened_at: float
    closes_at: float
    bytes: int = 0
    members: list[int] = []


class Windows:
    """The open windows of one route."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, str], _Window] = {}

    @property
    def gathering(self) -> dict[tuple[str, str], Sequence[int]]:
        """The events of each open window, by its key and target."""
        return {key: sorted(window.members) for key, window in self._open.items()}

    @property
    def next_closing(self) -> float | None:
        """When the next window closes; None if none is open."""
        return min((each.closes_at for each in self._open.values()), default=None)

    def join(
        self, number: int, plan: WindowPlan, now: float, revision: str = ""
    ) -> Iterator[Closed]:
        """Add an event, and yield the windows of its key that close by it, in order.

        Args:
            number: Its place in recorded order.
            plan: The window that it joins.
            now: The time.
            revision: Of the route. Events that are given together are planned by the same one.
        """
        key = plan.key, plan.target
        window = self._open.get(key)
        if window is not None and (by := _closes_before(window, plan, revision, now)):
            yield self._close(key, by)
            window = None
        if window is None:
            window = _Window(
                plan=plan, revision=revision, opened_at=now, closes_at=now + plan.seconds
            )
            self._open[key] = window
        window.members.append(number)
        window.bytes += plan.bytes
        window.plan, window.revision = plan, revision
        if plan.kind == "debounce":
            window.closes_at = _quiet_at(window, now)
        if plan.size is not None and len(window.members) >= plan.size:
            yield self._close(key, "size")

    def close(self, now: float) -> Iterator[Closed]:
        """Close the windows whose time is over, and yield them in the order of their times."""
        due = [
            (each.closes_at, key) for key, each in self._open.items() if each.closes_at <= now
        ]
        for _, key in sorted(due):
            yield self._close(key, "time")

    def _close(self, key: tuple[str, str], by: ClosedBy) -> Closed:
        window = self._open.pop(key)
        return Closed(key=key, members=tuple(sorted(window.members)), by=by)


def _closes_before(
    window: _Window, plan: WindowPlan, revision: str, now: float
) -> ClosedBy | None:
    """Return why a window closes before an event can join one; None if it joins this one."""
    if window.closes_at <= now:
        return "time"
    kinds = (window.plan.kind, window.plan.gives_all) != (plan.kind, plan.gives_all)
    if kinds or (plan.gives_all and window.revision != revision):
        return "route"
    if plan.max_bytes is not None and window.bytes + plan.bytes > plan.max_bytes:
        return "bytes"
    return None


def _quiet_at(window: _Window, now: float) -> float:
    quiet = now + window.plan.seconds
    if window.plan.at_most is None:
        return quiet
    return min(quiet, window.opened_at + window.plan.at_most)
