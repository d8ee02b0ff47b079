"""Discrepancies, the scope of a verification, and its counts. Pure."""

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
    "result-not-erased",
    "result-foreign",
    "event-not-recorded",
    "events-removed",
    "event-without-dispatch",
    "run-without-dispatch",
    "run-doubled",
    "run-started-elsewhere",
    "dispatch-without-run",
    "dead-letter-open",
]


class Discrepancy(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One difference between two records."""

    kind: Kind
    what: str
    """What it is about, in words."""
    detail: str
    """What is wrong, and what to do."""
    position: int | None = None
    uid: UUID | None = None
    stream: str | None = None
    sequence: int | None = None
    through: int | None = None
    """The last sequence, if it is about a range that begins with ``sequence``."""
    route: str | None = None
    workflow_id: str | None = None
    run_id: str | None = None
    letter: int | None = None


class VerifyScope(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the history that is verified, as positions and as times."""

    after: int
    through: int
    since: datetime | None = None
    """The time of the first position; None: from the start."""
    until: datetime | None = None
    """The time after the last position; None: to the end."""
    grace: float = 10.0
    """Seconds before something that is not found counts as missing."""
    now: datetime
    """The database's time when the verification began."""

    def is_under_way(self, at: datetime) -> bool:
        """Return whether something is so new that it may still be processed."""
        return at > self.now - timedelta(seconds=self.grace)

    def is_older(self, at: datetime, seconds: float | None) -> bool:
        """Return whether something is older than a number of seconds; False for None."""
        return seconds is not None and at < self.now - timedelta(seconds=seconds)


class Counts:
    """Counts what was checked and what could not be checked.

    Args:
        advanced: Called with each number of newly checked items.
    """

    def __init__(self, advanced: Callable[[int], None]) -> None:
        self._advanced = advanced
        self.checked: Counter[str] = Counter()
        self.not_checked: Counter[str] = Counter()

    def add(self, what: str, count: int = 1) -> None:
        """Count items as checked."""
        self.checked[what] += count
        self._advanced(count)

    def skip(self, why: str, count: int = 1) -> None:
        """Count items that cannot be checked, by reason."""
        if count:
            self.not_checked[why] += count
