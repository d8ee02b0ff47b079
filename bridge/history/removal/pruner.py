"""The pruner: one removal for each rule, under one lease, up to where nothing needs the events."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from bridge.history.removal.archive import Archive
from bridge.history.removal.policy import PruneRule
from bridge.history.removal.remover import Order, Outcome, RemovalRefused, Remover
from bridge.lifecycle.lease_names import RELAY_CHECKPOINT
from bridge.runtime.object_store import ObjectStore
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.filters import Filter
from eventstore.removals import Removal, Removals
from eventstore.store import EventStore


@dataclass(frozen=True, kw_only=True)
class Bound:
    """How far events may be removed, and what needs those above; None: nothing does."""

    through: int
    use: str | None


@dataclass(frozen=True, kw_only=True)
class Pruned:
    """What one rule did."""

    rule: PruneRule
    removal: Removal
    outcome: Outcome


class Pruner:
    """Removes the bodies of old events.

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
        self._remover = Remover(database, store, advanced=advanced)

    async def bound(self) -> Bound:
        """Return up to which position bodies may be removed now."""
        final = await self._store.settled()
        row = await self._database.fetchrow(STATEMENTS["removal_bounds"], RELAY_CHECKPOINT)
        if row is None or row["position"] >= final:
            return Bound(through=final, use=None)
        return Bound(through=row["position"], use=row["use"])

    async def count(self, rule: PruneRule, bound: Bound) -> int:
        """Return how many events a rule would take now, without asking what needs them."""
        total = 0
        async for page in self._store.read_pages(
            through=bound.through, where=await self._where(rule)
        ):
            total += sum(map(rule.takes, page))
        return total

    async def prune(
        self, rule: PruneRule, bound: Bound, *, archive: str | None, who: str, why: str
    ) -> Pruned:
        """Remove the bodies that a rule means; continue the same prune if it was interrupted.

        Raises:
            RemovalRefused: An interrupted prune had another archive.
            ObjectStoreError: The archive cannot be written; run it again.
            Unavailable: The database was lost; run it again.
        """
        removal = await self._begun(rule, bound, archive=archive, who=who, why=why)
        before = datetime.fromisoformat(str(removal.selection["before"]))
        target = None
        if archive is not None:
            target = Archive(self._database, ObjectStore.open(archive), removal)
        order = Order(
            where=Filter(category=rule.category, until=before),
            takes=rule.takes,
            drop=rule.attributes,
            archive=target,
        )
        outcome = await self._remover.run(removal, order)
        if target is not None:
            await target.sweep(finished=True)
        remarks = [f"{count} kept, for {use}" for use, count in sorted(outcome.in_use.items())]
        await self._removals.finish(removal, remarks)
        return Pruned(rule=rule, removal=removal, outcome=outcome)

    async def _where(self, rule: PruneRule) -> Filter:
        now: datetime = await self._database.fetchval(STATEMENTS["now"])
        return Filter(category=rule.category, until=rule.before(now))

    async def _begun(
        self, rule: PruneRule, bound: Bound, *, archive: str | None, who: str, why: str
    ) -> Removal:
        """Return the interrupted removal of this rule, else a new one."""
        incarnation = await self._store.incarnation()
        meant = {
            "category": rule.category,
            "but": list(rule.but),
            "attributes": list(rule.attributes),
        }
        for removal in await self._removals.latest(1000, unfinished=True):
            selection = {key: removal.selection.get(key) for key in meant}
            if removal.kind != "pruned" or removal.incarnation != incarnation:
                continue
            if selection == meant:
                if removal.archive != archive:
                    raise RemovalRefused(
                        f"the prune {removal.id} was interrupted; continue it with its own archive: "
                        f"{removal.archive or 'none'} (not {archive or 'none'})"
                    )
                return removal
        where = await self._where(rule)
        before = "" if where.until is None else where.until.isoformat()
        return await self._removals.begin(
            "pruned",
            {**meant, "before": before, "older_than": rule.older_than},
            who=who,
            why=why,
            after=0,
            through=bound.through,
            archive=archive,
        )
