"""The eraser: removes what the store, archives and NATS have about one subject.

For the events of the subject, page by page, in this order, so that a killed run finds them again:
copies on NATS, large arguments in the payload store, dead letters, the calls of settled dispatches, and at last data and attributes in the
log. Archives are searched first, since an event whose subject was pruned is found only there; there
the archive's own line goes last.

What stays is what the store needs to recognise a repeat and to keep the chain: uid, id, source,
type, times, links, digest. Events of open dispatches and runs stay whole, and so do those above a
checkpoint: the command says so, and is run again later.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

from bridge.history.removal.archive import Archive, NotedPart
from bridge.history.removal.copies import Copies
from bridge.history.removal.part import event_of, unpack
from bridge.history.removal.payload_objects import DispatchedCall, PayloadObjects
from bridge.history.removal.pruner import Bound
from bridge.history.removal.remover import Order, Remover
from bridge.lifecycle.crash_points import fault
from bridge.operations.fetching import EXTENSION
from bridge.runtime.object_store import ObjectStore
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.events import StoredEvent
from eventstore.filters import Filter
from eventstore.removals import Removal, Removals
from eventstore.store import EventStore

KEPT: Final = (
    "id", "source", "time", "datacontenttype", "dataschema", "schema_version", "correlationid",
    "causationid", "hops", "traceparent", "tracestate",
)  # fmt: skip
"""The attributes that stay."""
_ERASED: Final = "erased"
_MAX_REMOVALS: Final = 100_000


@dataclass
class Erased:
    """What an erasure did, and what it did not reach."""

    events: int = 0
    letters: int = 0
    dispatches: int = 0
    archived: int = 0
    in_use: Counter[str] = field(default_factory=Counter)
    runs: set[tuple[str, str, str]] = field(default_factory=set)
    """Namespace, workflow id and run id of runs that got the events."""
    named: set[str] = field(default_factory=set)
    """Streams of the store whose names have the subject."""
    datarefs: set[str] = field(default_factory=set)
    """Addresses at which the events' publishers have their data."""
    replays: list[str] = field(default_factory=list)
    """Other targets of replays."""

    def remarks(
        self,
        copies: Copies,
        objects: PayloadObjects,
        bound: Bound,
        retention: Mapping[str, str],
    ) -> list[str]:
        """Return what people must know, without the subject."""
        said = [f"not erased yet, {count}: {use}" for use, count in sorted(self.in_use.items())]
        if bound.use is not None:
            said.append(f"not looked at above position {bound.through}: {bound.use}")
        said += [
            f"{count} messages left on {what}" for what, count in sorted(copies.left.items())
        ]
        said += [
            f"the large arguments of {count} runs are left in the payload store: {why}"
            for why, count in sorted(objects.left.items())
        ]
        if self.datarefs:
            said.append(
                f"{len(self.datarefs)} addresses (dataref) name data that the publishers have"
            )
        if self.named:
            said.append(
                f"{len(self.named)} streams of the store have the subject in their names"
            )
        by_namespace = Counter(namespace for namespace, _, _ in self.runs)
        for namespace, count in sorted(by_namespace.items()):
            until = retention.get(namespace, "unknown")
            said.append(
                f"{count} runs in the Temporal namespace {namespace or 'of the default'} got the events: "
                f"their histories stay until its retention ({until}) has passed since they closed"
            )
        said += [f"a replay sent copies to {target}" for target in self.replays]
        if self.archived:
            said.append("an object store that keeps versions still has the parts as they were")
        return said


class Eraser:
    """Erases one subject.

    Args:
        database: The store's database, connected as the owner of its tables.
        store: The store.
        copies: Deletes messages on NATS.
        objects: Deletes large arguments.
        advanced: Called with how many positions are newly done.
    """

    def __init__(
        self,
        database: Database,
        store: EventStore,
        copies: Copies,
        objects: PayloadObjects,
        *,
        advanced: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._store = store
        self._copies = copies
        self._objects = objects
        self._removals = Removals(database)
        self._remover = Remover(database, store, advanced=advanced)
        self._done = Erased()
        self._subject = ""
        self._chain_uids: set[UUID] = set()

    async def erase(
        self,
        subject: str,
        bound: Bound,
        *,
        who: str,
        why: str,
        drop: tuple[str, ...] = (),
        chains: bool = False,
    ) -> tuple[Removal, Erased]:
        """Erase a subject, or continue an interrupted erasure; the caller marks it as finished.

        Args:
            subject: The CloudEvents attribute ``subject``.
            bound: How far the log may be touched.
            who: Who asked for it.
            why: The reason.
            drop: Attributes that go although they usually stay.
            chains: Whether the other events of the same chains go too.

        Raises:
            ObjectStoreError: An archive cannot be read or written; run it again.
            NotConnected: NATS is unreachable; run it again.
            Unavailable: The database was lost; run it again.
        """
        self._done, self._subject, self._chain_uids = Erased(), subject, set()
        removal = await self._begun(subject, bound, who=who, why=why)

        async def prepare(events: Sequence[StoredEvent]) -> None:
            if chains:
                await self._chains(removal, order, events)
            await self._prepare(events)

        async def holds(events: Sequence[StoredEvent]) -> Mapping[UUID, str]:
            return await self._of_unfinished_chains(removal, events)

        order = Order(
            where=Filter(subject=subject),
            takes=lambda _: True,
            prepare=prepare,
            holds=holds if chains else None,
            keep=KEPT,
            drop=drop,
        )
        archives = await self._archives()
        for archive in archives:
            await self._search(archive, removal, order)
        outcome = await self._remover.run(removal, order)
        self._done.events += outcome.removed - removal.events
        self._done.in_use += outcome.in_use
        fault("erasure.events")
        for archive in archives:
            await self._take_out(archive)
        rows = await self._database.fetch(STATEMENTS["targets_of_replays"])
        self._done.replays = [row["target"] for row in rows]
        return removal, self._done

    async def _begun(self, subject: str, bound: Bound, *, who: str, why: str) -> Removal:
        selection: dict[str, object] = {
            "subject_sha256": hashlib.sha256(subject.encode()).hexdigest()
        }
        incarnation = await self._store.incarnation()
        for removal in await self._removals.latest(_MAX_REMOVALS, unfinished=True):
            if (removal.kind, removal.selection, removal.incarnation) == (
                _ERASED,
                selection,
                incarnation,
            ):
                return removal
        return await self._removals.begin(
            "erased", selection, who=who, why=why, after=0, through=bound.through
        )

    async def _archives(self) -> list[Archive]:
        return [
            Archive(self._database, ObjectStore.open(removal.archive), removal)
            for removal in await self._removals.latest(_MAX_REMOVALS)
            if removal.archive is not None
        ]

    async def _search(self, archive: Archive, removal: Removal, order: Order) -> None:
        """Erase the events that one archive has of the subject; its lines stay until the end."""
        for noted in await archive.parts():
            events = [event_of(line) for line in await _lines(archive, noted)]
            meant = [each for each in events if each.event.subject == self._subject]
            if meant:
                await (order.prepare or self._prepare)(meant)
                held = {} if order.holds is None else await order.holds(meant)
                self._done.in_use.update(held.values())
                await self._remove(
                    removal, order, [each for each in meant if each.uid not in held]
                )

    async def _remove(
        self, removal: Removal, order: Order, events: Sequence[StoredEvent]
    ) -> None:
        """Remove the bodies of some events now, and note how many that were."""
        before = len(await self._remover.removed_among(removal, events))
        count = await self._remover.remove(removal, order, events) - before
        await self._removals.advance(removal, removal.position, count)
        self._done.events += count

    async def _take_out(self, archive: Archive) -> None:
        """Write each part again that has events which are erased in the log, without them.

        An event whose row was deleted is only here.
        """
        erasures = await self._removals.erasures()
        for noted in await archive.parts():
            lines = await _lines(archive, noted)
            events = [event_of(line) for line in lines]
            stored = await self._store.get_many([each.uid for each in events])
            kept = [
                line
                for line, each in zip(lines, events, strict=True)
                if (
                    stored[each.uid].removal not in erasures
                    if each.uid in stored
                    else each.event.subject != self._subject
                    and each.correlation_uid not in self._chain_uids
                )
            ]
            if len(kept) < len(lines):
                self._done.archived += len(lines) - len(kept)
                await archive.change(noted, kept)
        await archive.sweep()

    async def _chains(
        self, removal: Removal, order: Order, events: Sequence[StoredEvent]
    ) -> None:
        """Erase the other events of the chains to which some events belong."""
        erasures, mine = await self._removals.erasures(), {each.uid for each in events}
        self._chain_uids |= {each.correlation_uid for each in events}
        for chain in {each.correlation_uid for each in events}:
            others = [
                each
                async for each in self._store.read_all(
                    through=removal.through, where=Filter(correlation_uid=chain)
                )
                if each.uid not in mine and each.removal not in erasures
            ]
            if others:
                await self._prepare(others)
                await self._remove(removal, order, others)

    async def _of_unfinished_chains(
        self, removal: Removal, events: Sequence[StoredEvent]
    ) -> dict[UUID, str]:
        """Return those of some events in whose chains another event must stay for now.

        The next erasure finds the chain by them: an event without its body has no subject.
        """
        unfinished = {
            chain
            for chain in {each.correlation_uid for each in events}
            if not await self._is_finished(removal, chain)
        }
        return {
            each.uid: "an event of its chain that stays"
            for each in events
            if each.correlation_uid in unfinished
        }

    async def _is_finished(self, removal: Removal, chain: UUID) -> bool:
        """Return whether no event of a chain must stay for now, and none lies beyond the removal."""
        where = Filter(correlation_uid=chain)
        uids = [each.uid async for each in self._store.read_all(where=where)]
        if await self._database.fetch(STATEMENTS["events_in_use"], uids):
            return False
        # Read again: a run that has ended since the first read may have added events before its end.
        later = self._store.read_all(after=removal.through, where=where, limit=1)
        return not [each async for each in later]

    async def _prepare(self, events: Sequence[StoredEvent]) -> None:
        """Erase everything but the events themselves."""
        uids: list[UUID] = [stored.uid for stored in events]
        await self._copies.delete(events)
        fault("erasure.copies")
        rows = await self._database.fetch(STATEMENTS["runs_of_events"], uids)
        calls = [DispatchedCall(**dict(row)) for row in rows]
        await self._objects.delete(calls)
        self._done.runs |= {(call.namespace, call.workflow_id, call.run_id) for call in calls}
        self._done.datarefs |= {
            str(each.event.extensions[EXTENSION])
            for each in events
            if EXTENSION in each.event.extensions
        }
        self._done.letters += len(
            await self._database.fetch(STATEMENTS["erase_dead_letters"], uids, _ERASED)
        )
        fault("erasure.letters")
        self._done.dispatches += len(
            await self._database.fetch(STATEMENTS["erase_dispatches"], uids)
        )
        fault("erasure.dispatches")
        self._done.named |= {each.stream for each in events if self._subject in each.stream}


async def _lines(archive: Archive, noted: NotedPart) -> list[bytes]:
    return await asyncio.to_thread(unpack, noted.part, await archive.read(noted.part))
