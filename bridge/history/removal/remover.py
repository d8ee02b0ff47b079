"""The remover: reads the log, archives, removes bodies, and can be killed anywhere.

The steps of a part, each of which a restart finds in the database::

    write the object      nothing is noted: a restart writes the part again, under the same name
    note the part         a restart removes what the object has, then continues after it
    remove bodies         in batches of less than 100 ms; taken twice, a body is gone once
    mark the part         progress and part in one commit

Without an archive, a page of the log is a part, and only the last two steps are left. So a body goes
only when its archive is durable, and an event that something began to need in between stays, and is
taken out of the archive again.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from bridge.errors import BridgeError
from bridge.history.removal.archive import Archive, NotedPart
from bridge.history.removal.part import Part, event_of, line_of, pack, unpack
from bridge.lifecycle.crash_points import fault
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.events import StoredEvent
from eventstore.filters import Filter
from eventstore.removals import BATCH_MILLISECONDS, Removal, Removals
from eventstore.store import EventStore

PART_EVENTS: Final = 20_000
PART_BYTES: Final = 16 * 2**20
"""Of the data of a part's events, before compression."""
PAUSE_SECONDS: Final = BATCH_MILLISECONDS / 1000
"""Between two batches: readers and writers get at least half of the time."""


class RemovalRefused(BridgeError):  # noqa: N818 - names what is the case
    """A removal cannot begin or continue; says why and what to do."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a removal takes.

    Attributes:
        where: What the database selects.
        takes: Whether an event of those is meant.
        prepare: Called with events that are meant, before it is asked what needs them.
        holds: Returns those of some events that must stay for now besides those that the database
            names, each with the reason.
        keep: The attributes that may stay; None: all.
        drop: The attributes that go in any case.
        archive: Where bodies go first; None: nowhere.
    """

    where: Filter
    takes: Callable[[StoredEvent], bool]
    prepare: Callable[[Sequence[StoredEvent]], Awaitable[None]] | None = None
    holds: Callable[[Sequence[StoredEvent]], Awaitable[Mapping[UUID, str]]] | None = None
    keep: tuple[str, ...] | None = None
    drop: tuple[str, ...] = ()
    archive: Archive | None = None


@dataclass
class Outcome:
    """What a removal did, in this run and in all runs before it."""

    removed: int = 0
    in_use: Counter[str] = field(default_factory=Counter)
    """By what needs them: events that stay."""


class Remover:
    """Runs removals. The caller holds the lease, so that there is one at a time.

    Args:
        database: The store's database, connected as the owner of its tables.
        store: The store.
        advanced: Called with how many positions are newly done.
        part_events: The most events of a part.
    """

    def __init__(
        self,
        database: Database,
        store: EventStore,
        *,
        advanced: Callable[[int], None] = lambda _: None,
        part_events: int = PART_EVENTS,
    ) -> None:
        self._database = database
        self._store = store
        self._removals = Removals(database)
        self._advanced = advanced
        self._part_events = part_events
        self._outcome = Outcome()

    async def run(self, removal: Removal, order: Order) -> Outcome:
        """Run a removal, or continue it, to its last position; the caller marks it as finished.

        Raises:
            ObjectStoreError: The archive cannot be written; run it again.
            PartRefused: A part that was begun is damaged.
            NotAdmitted: This role may not remove bodies.
            Unavailable: The database was lost; run it again.
        """
        self._outcome = Outcome(removed=removal.events)
        position, number = removal.position, 0
        if order.archive is not None:
            parts = await order.archive.parts()
            number = len(parts)
            for noted in parts:
                if not noted.removed:
                    await self._finish_part(removal, order, order.archive, noted)
                    position = max(position, noted.through)
        pages = self._store.read_pages(
            after=position, through=removal.through, where=order.where
        )
        pending: list[StoredEvent] = []
        async with aclosing(pages) as found:
            async for page in found:
                if not page:
                    continue
                pending += await self._chosen(page, order)
                through = page[-1].position
                if order.archive is None or self._is_full(pending):
                    number = await self._take(removal, order, pending, number, through)
                    self._advanced(through - position)
                    pending, position = [], through
        await self._take(removal, order, pending, number, removal.through)
        self._advanced(removal.through - position)
        return self._outcome

    def _is_full(self, pending: Sequence[StoredEvent]) -> bool:
        size = sum(len(stored.event.data or b"") for stored in pending)
        return len(pending) >= self._part_events or size >= PART_BYTES

    async def _chosen(self, page: Sequence[StoredEvent], order: Order) -> list[StoredEvent]:
        """Return the events of a page that are meant, and that nothing needs."""
        meant = [stored for stored in page if order.takes(stored)]
        if not meant:
            return []
        if order.prepare is not None:
            await order.prepare(meant)
        rows = await self._database.fetch(
            STATEMENTS["events_in_use"], [stored.uid for stored in meant]
        )
        in_use = {} if order.holds is None else dict(await order.holds(meant))
        in_use |= {row["uid"]: row["use"] for row in rows}
        self._outcome.in_use.update(in_use.values())
        return [stored for stored in meant if stored.uid not in in_use]

    async def _take(
        self,
        removal: Removal,
        order: Order,
        events: Sequence[StoredEvent],
        number: int,
        through: int,
    ) -> int:
        """Archive and remove the bodies of some events; return the number of the last part."""
        archive = order.archive
        if not events or archive is None:
            done = await self.remove(removal, order, events)
            await self._removals.advance(removal, through, done)
            self._outcome.removed += done
            return number
        number += 1
        # In a thread: the lease must be renewed meanwhile.
        part, packed = await asyncio.to_thread(
            _packed, archive.name_of(number), events, events[0].position, events[-1].position
        )
        fault("removal.packed")
        await archive.write(part, packed)
        fault("removal.written")
        await archive.note(number, part, through)
        fault("removal.noted")
        noted = NotedPart(number=number, part=part, through=through, removed=False)
        await self._finish_part(removal, order, archive, noted)
        return number

    async def _finish_part(
        self, removal: Removal, order: Order, archive: Archive, noted: NotedPart
    ) -> None:
        """Remove the bodies that a noted part has, take the others out of it, and mark it."""
        lines = await asyncio.to_thread(unpack, noted.part, await archive.read(noted.part))
        events = [event_of(line) for line in lines]
        removed = await self.remove(removal, order, events)
        fault("removal.removed")
        if removed < len(events):
            gone = await self.removed_among(removal, events)
            pairs = zip(lines, events, strict=True)
            await archive.change(
                noted, [line for line, stored in pairs if stored.position in gone]
            )
        async with self._database.transaction() as connection:
            await connection.execute(STATEMENTS["part_is_removed"], removal.id, noted.number)
            await self._removals.advance(removal, noted.through, removed, connection)
        self._outcome.removed += removed

    async def remove(
        self, removal: Removal, order: Order, events: Sequence[StoredEvent]
    ) -> int:
        """Remove the bodies of those events that nothing needs; return how many are removed."""
        if not events:
            return 0
        digests = await self._removals.digests([stored.position for stored in events])
        left = [stored for stored in events if stored.position in digests]
        keep = None if order.keep is None else list(order.keep)
        while left:
            rest = await self._database.fetchval(
                STATEMENTS["remove_free_bodies"],
                removal.id,
                [stored.position for stored in left],
                [stored.uid for stored in left],
                [self._digest(stored, digests, order) for stored in left],
                keep,
                list(order.drop),
                BATCH_MILLISECONDS,
            )
            fault("removal.batch")
            remaining = frozenset(rest or ())
            left = [stored for stored in left if stored.position in remaining]
            if left:
                await asyncio.sleep(PAUSE_SECONDS)
        return len(await self.removed_among(removal, events))

    def _digest(self, stored: StoredEvent, digests: dict[int, bytes], order: Order) -> bytes:
        """Return the digest that the row must have: that of the archived body, if there is an archive."""
        if order.archive is None:
            return digests[stored.position]
        return stored.event.digest

    async def removed_among(
        self, removal: Removal, events: Sequence[StoredEvent]
    ) -> frozenset[int]:
        """Return the positions of those events whose bodies a removal has taken."""
        rows = await self._database.fetch(
            STATEMENTS["removed_among"], removal.id, [stored.position for stored in events]
        )
        return frozenset(row["position"] for row in rows)


def _packed(
    name: str, events: Sequence[StoredEvent], first: int, last: int
) -> tuple[Part, bytes]:
    return pack(name, [line_of(stored) for stored in events], first, last)
