"""The audit: what people did to the bridge, when, and why. Its rows are never changed."""

from datetime import datetime

import msgspec

from bridge.dead_letters import storable
from bridge.sql import STATEMENTS
from eventstore.database import Database

_LAST = 2**63 - 1


class Action(msgspec.Struct, frozen=True, kw_only=True):
    """One action of a person."""

    id: int
    at: datetime
    who: str
    via: str
    """How the person was known: ``token``, ``proxy`` or ``command line``."""
    action: str
    object: str
    """To what: ``dead letter 12``, ``route billing``."""
    reason: str
    detail: str


class Audit:
    """The audit of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(
        self,
        *,
        who: str,
        via: str,
        action: str,
        on: str,
        reason: str,
        detail: str = "",
    ) -> int:
        """Record an action before it is carried out; return its number.

        Raises:
            Unavailable: It is not recorded; the action must not be carried out.
            StatementFailed: Likewise: this role may only read, for example.
        """
        number = await self._database.fetchval(
            STATEMENTS["record_action"],
            *map(storable, (who, via, action, on, reason, detail)),
        )
        return int(number)

    async def latest(
        self,
        limit: int,
        *,
        on: str | None = None,
        before: int = _LAST,
    ) -> list[Action]:
        """Return the latest actions, of one object if it is given."""
        rows = await self._database.fetch(STATEMENTS["list_actions"], before, on, limit)
        return [Action(**dict(row)) for row in rows]
