"""Failures: the open dead letters, grouped by what went wrong."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from bridge.dead_letters import Stage
from bridge.dead_letters.store import Letter
from bridge.sql import STATEMENTS
from eventstore.database import Database


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Open dead letters that failed alike.

    ``shape`` is the first line of their reasons without quoted text, ids and numbers.
    """

    stage: Stage
    code: str
    route: str | None
    shape: str


class FailureGroup(Failure, frozen=True, kw_only=True):
    """A failure, and how many open dead letters have it."""

    letters: int
    first: datetime
    last: datetime


class Failures:
    """The failures of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def groups(self, limit: int) -> list[FailureGroup]:
        """Return the failures with open dead letters, most frequent first."""
        rows = await self._database.fetch(STATEMENTS["dead_letter_failures"], limit)
        return [FailureGroup(**dict(row)) for row in rows]

    async def letters(self, failure: Failure, limit: int, *, after: int = 0) -> list[Letter]:
        """Return open dead letters of a failure, oldest first, above a number."""
        arguments: Sequence[object] = (
            failure.stage,
            failure.code,
            failure.route,
            failure.shape,
        )
        async with self._database.connection() as connection:
            rows = await connection.fetch_planned(
                STATEMENTS["dead_letters_of_failure"], *arguments, after, limit
            )
        return [Letter(**dict(row)) for row in rows]
