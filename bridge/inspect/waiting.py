"""What a dispatch that is not settled waits for, in words. Pure."""

from datetime import datetime
from typing import Literal, Protocol

DispatchState = Literal[
    "open",
    "waiting",
    "queued",
    "gathering",
    "done",
    "duplicate",
    "collision",
    "skipped",
    "merged",
    "dead",
]

UNSETTLED = frozenset({"open", "waiting", "queued", "gathering"})
"""The states of a dispatch that is not settled."""

_MINUTE, _HOUR = 60, 3600


class Unsettled(Protocol):
    """What must be known of a dispatch.

    ``ahead`` is the first one before it in its lane, ``together`` the events of its window, ``slot`` the slot
    that it waits for or holds, in words.
    """

    @property
    def state(self) -> str: ...  # noqa: D102 - named after the columns, like those below
    @property
    def target(self) -> str: ...  # noqa: D102
    @property
    def key(self) -> str: ...  # noqa: D102
    @property
    def attempts(self) -> int: ...  # noqa: D102
    @property
    def next_attempt_at(self) -> datetime: ...  # noqa: D102
    @property
    def waiting_until(self) -> datetime | None: ...  # noqa: D102
    @property
    def ahead(self) -> str | None: ...  # noqa: D102
    @property
    def together(self) -> str | None: ...  # noqa: D102
    @property
    def slot(self) -> str | None: ...  # noqa: D102


def waits_for(
    *,
    state: str,
    target: str,
    waiting_until: datetime | None,
    key: str,
    ahead: str | None,
    together: str | None = None,
    slot: str | None = None,
) -> str | None:
    """Return what a dispatch waits for, in words; None if only for its own next attempt."""
    if state == "gathering":
        return together
    if state == "queued":
        return None if slot is None else slot.removeprefix("waits for ")
    if state == "waiting":
        until = "" if waiting_until is None else f", until {waiting_until:%Y-%m-%d %H:%M:%S %Z}"
        return f"workflow {target} to start{until}"
    return None if ahead is None else f"{ahead}, ahead of it in lane {key}"


def holds(
    dispatch: Unsettled, now: datetime, paused: str | None, limits: str = ""
) -> list[str]:
    """Return what holds a dispatch up, the first obstacle first; nothing if it is settled.

    Args:
        dispatch: The dispatch.
        now: The database's time.
        paused: The pause of its route, in words.
        limits: The limits of its route, in words; empty without any.
    """
    if dispatch.state not in UNSETTLED:
        return []
    found = [] if paused is None else [paused]
    if dispatch.state == "gathering":
        # A pause holds the call of the window, not the window.
        return [*(() if dispatch.together is None else (dispatch.together,)), *found]
    if dispatch.state == "queued":
        return [*(() if dispatch.slot is None else (dispatch.slot,)), *found]
    if dispatch.ahead is not None:
        found.append(f"blocked by {dispatch.ahead}, ahead of it in lane {dispatch.key}")
    if dispatch.state == "waiting":
        until = dispatch.waiting_until
        bound = "" if until is None else f" until {until:%Y-%m-%d %H:%M:%S %Z}"
        found.append(f"waits{bound} for workflow {dispatch.target} to start")
    if paused is not None or dispatch.ahead is not None:
        return found  # the time of its own next attempt says nothing
    seconds = (dispatch.next_attempt_at - now).total_seconds()
    nth = f" (attempt {dispatch.attempts + 1})" if dispatch.attempts else ""
    if seconds > 0:
        return [*found, f"next try in {_span(seconds)}{nth}"]
    limited = f", and its route is limited to {limits}" if limits else ""
    return [*found, f"due now{nth}{limited}"]


def _span(seconds: float) -> str:
    if seconds < 2 * _MINUTE:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / _MINUTE:.0f} min" if seconds < 2 * _HOUR else f"{seconds / _HOUR:.0f} h"
