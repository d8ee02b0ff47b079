"""What a check finds, and over which stretch of the history it looks. Pure."""

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec

Kind = Literal[
    "stream-missing",
    "result-missing",
    "result-not-relayed",
    "result-doubled",
    "result-out-of-order",
    "result-altered",
    "result-foreign",
    "event-not-recorded",
    "events-removed",
    "event-without-dispatch",
    "run-without-dispatch",
    "run-started-elsewhere",
    "dispatch-without-run",
    "dead-letter-open",
]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is not as it should be."""

    kind: Kind
    what: str
    """What it is about, for a person."""
    detail: str
    """What is wrong with it, and what to do."""
    position: int | None = None
    uid: UUID | None = None
    stream: str | None = None
    sequence: int | None = None
    through: int | None = None
    """The last sequence, of a finding about a range that begins with ``sequence``."""
    route: str | None = None
    workflow_id: str | None = None
    run_id: str | None = None
    letter: int | None = None


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """The stretch of the history that is looked at; times and positions say the same stretch."""

    after: int
    through: int
    since: datetime | None = None
    """The time of the first position; None: from the beginning."""
    until: datetime | None = None
    """The time behind the last position; None: to the end."""
    grace: float = 10.0
    """How many seconds something may be under way before it counts as missing."""
    now: datetime
    """The database's time when the look began."""

    def is_under_way(self, at: datetime) -> bool:
        """Tell whether something is so new that it may still be on its way."""
        return at > self.now - timedelta(seconds=self.grace)

    def is_older(self, at: datetime, seconds: float | None) -> bool:
        """Tell whether something is older than what is kept for so long; never, for None."""
        return seconds is not None and at < self.now - timedelta(seconds=seconds)


class Account:
    """What was looked at, and what could not be told, counted.

    Args:
        advanced: Told of how much more was looked at.
    """

    def __init__(self, advanced: Callable[[int], None]) -> None:
        self._advanced = advanced
        self.looked_at: Counter[str] = Counter()
        self.not_told: Counter[str] = Counter()

    def look(self, what: str, count: int = 1) -> None:
        """Note that so many were looked at."""
        self.looked_at[what] += count
        self._advanced(count)

    def leave(self, why: str, count: int = 1) -> None:
        """Note that of so many nothing can be told, and why."""
        if count:
            self.not_told[why] += count
