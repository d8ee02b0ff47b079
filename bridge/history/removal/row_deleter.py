"""The row deleter: deletes rows whose bodies were removed, when no repeat of their events can come.

What stays, beside the last event of each stream: events to which a dispatch, an open dead letter or a
run refers, and those of which a repeat was recorded lately. It continues where it was killed: what is
deleted and what is written down about it is one commit (`eventstore.removals`).
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Final

from bridge.history.removal.pruner import Bound
from bridge.history.removal.remover import PAUSE_SECONDS, Outcome
from bridge.lifecycle.crash_points import fault
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.events import StoredEvent
from eventstore.filters import Filter
from eventstore.removals import BATCH_MILLISECONDS, Removal, Removals
from eventstore.store import EventStore

_LAST: Final = "the place of a stream: it is its last event"
_BODY: Final = "its data, which no removal has taken"


class RowDeleter:
    """Deletes rows. The caller holds the lease, so that there is one at a time.

    Args:
        database: The store's database, connected as the owner of its tables.
        store: The store.
        advanced: Called with how many positions are newly done.
    """

    def __init__(
        self,
        database: Database,
        store: EventStore,
        *,
        advanced: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._store = store
        self._removals = Removals(database)
        self._advanced = advanced

    async def count(self, bound: Bound, before: datetime) -> int:
        """Return how many rows have no body and are old enough, without asking what needs them."""
        counts = await self._store.count_removed(
            Filter(until=before), after=0, through=bound.through
        )
        return sum(counts.values())

    async def delete(
        self, bound: Bound, before: datetime, *, who: str, why: str
    ) -> tuple[Removal, Outcome]:
        """Delete rows, or continue an interrupted deletion.

        Args:
            bound: How far the log may be touched.
            before: Only of events recorded before it; no repeat of them may come.
            who: Who asked for it.
            why: The reason.

        Raises:
            NotAdmitted: This role may not delete rows.
            Unavailable: The database was lost; run it again.
        """
        removal = await self._begun(bound, before, who=who, why=why)
        before = min(before, datetime.fromisoformat(str(removal.selection["before"])))
        outcome = Outcome(removed=removal.events)
        position = removal.position
        pages = self._store.read_pages(
            after=position, through=removal.through, where=Filter(until=before)
        )
        async with aclosing(pages) as found:
            async for page in found:
                if not page:
                    continue
                deleted = await self._delete(removal, page, before, outcome)
                through = page[-1].position
                await self._removals.advance(removal, through, deleted)
                self._advanced(through - position)
                position = through
        await self._removals.advance(removal, removal.through, 0)
        self._advanced(removal.through - position)
        remarks = [f"{count} kept, for {use}" for use, count in sorted(outcome.in_use.items())]
        await self._removals.finish(removal, remarks)
        return removal, outcome

    async def _begun(self, bound: Bound, before: datetime, *, who: str, why: str) -> Removal:
        """Return the interrupted deletion, else a new one."""
        incarnation = await self._store.incarnation()
        for removal in await self._removals.latest(1000, unfinished=True):
            if (removal.kind, removal.incarnation) == ("deleted", incarnation):
                return removal
        return await self._removals.begin(
            "deleted",
            {"before": before.isoformat()},
            who=who,
            why=why,
            after=0,
            through=bound.through,
        )

    async def _delete(
        self, removal: Removal, page: Sequence[StoredEvent], before: datetime, outcome: Outcome
    ) -> int:
        """Delete those rows of a page that may go; return how many this removal has deleted now."""
        gone = [stored for stored in page if stored.removal is not None]
        outcome.in_use[_BODY] += len(page) - len(gone)
        rows = await self._database.fetch(
            STATEMENTS["rows_in_use"], [stored.uid for stored in gone], before
        )
        in_use = {row["uid"]: row["use"] for row in rows}
        outcome.in_use.update(in_use.values())
        free = left = [stored for stored in gone if stored.uid not in in_use]
        deleted = 0
        while left:
            row = await self._database.fetchrow(
                STATEMENTS["delete_free_rows"],
                removal.id,
                [stored.position for stored in left],
                [stored.uid for stored in left],
                before,
                BATCH_MILLISECONDS,
            )
            fault("deletion.batch")
            if row is None:
                break
            deleted += row["deleted"]
            remaining = frozenset(row["rest"] or ())
            left = [stored for stored in left if stored.position in remaining]
            if left:
                await asyncio.sleep(PAUSE_SECONDS)
        outcome.in_use[_LAST] += len(free) - deleted
        outcome.in_use += {}  # drops what is zero
        outcome.removed += deleted
        return deleted
