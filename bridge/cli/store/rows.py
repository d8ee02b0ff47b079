"""What ``ntbridge store prune --rows`` does; imported when it runs."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from bridge.cli.common import note, who, with_sources
from bridge.cli.progress import Bar
from bridge.history.removal.horizon import horizon_of
from bridge.history.removal.pruner import Bound
from bridge.history.removal.row_deleter import RowDeleter
from bridge.jetstream.connection import connect_once
from bridge.settings.schema import Settings
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.store import EventStore

_DAY_SECONDS = 86_400


@dataclass(frozen=True, kw_only=True)
class Rows:
    """The rows that are to be deleted.

    Attributes:
        before: Those of events recorded before it; None: none are.
        count: How many have lost their data; some of them are still needed.
    """

    before: datetime | None = None
    count: int = 0

    @classmethod
    async def found(
        cls,
        settings: Settings,
        database: Database,
        store: EventStore,
        older_than: float | None,
        bound: Bound,
    ) -> Self:
        """Count the rows that are old enough, and say so.

        Raises:
            NotConnected: NATS is unreachable: what may still come from it is not known.
            RequestRefused: NATS does not tell about a stream.
        """
        if older_than is None:
            return cls()
        settings = with_sources(settings)
        client = await connect_once(settings.nats, "ntbridge store")
        try:
            horizon = await horizon_of(client, settings.nats, settings.intake.sources)
        finally:
            await client.close()
        now: datetime = await database.fetchval(STATEMENTS["now"])
        before = now - timedelta(seconds=older_than)
        if horizon.before is not None and horizon.before < before:
            before = horizon.before
            note(
                f"rows of events recorded after {before:%Y-%m-%d %H:%M} stay: {horizon.stream} has "
                "messages that old, and they may come again"
            )
        count = await RowDeleter(database, store).count(bound, before)
        note(f"{count} rows without data are older than {older_than / _DAY_SECONDS:g} days")
        return cls(before=before, count=count)

    async def deleted(
        self, database: Database, store: EventStore, bound: Bound, *, why: str
    ) -> list[dict[str, Any]]:
        """Delete them; return what is printed about it."""
        if self.before is None:
            return []
        with Bar("positions", bound.through) as bar:
            deleter = RowDeleter(database, store, advanced=bar.step)
            removal, outcome = await deleter.delete(bound, self.before, who=who(), why=why)
        return [
            {
                "removal": removal.id,
                "kind": removal.kind,
                "category": None,
                "removed": outcome.removed,
                "kept": dict(outcome.in_use),
                "archive": None,
            }
        ]
