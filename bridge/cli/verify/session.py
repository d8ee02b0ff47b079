"""Verification and rebuild, for ``ntbridge verify``."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import msgspec

from bridge.cli import exits
from bridge.cli.common import ask, who
from bridge.cli.exits import Exit
from bridge.cli.printer import Printer
from bridge.cli.progress import Bar
from bridge.history.removal.archive import Bodies
from bridge.history.verify.findings import Counts, Discrepancy, VerifyScope
from bridge.history.verify.verifier import Verifier, scope_of
from bridge.jetstream.connection import connect_once
from bridge.relay.rebuild import Rebuilder
from bridge.routes.loading import load_routes
from bridge.runtime.durations import PointInTime
from bridge.settings.schema import Settings
from bridge.sql.storage import open_store
from bridge.temporal import connect_each
from eventstore.events import Origin
from eventstore.filters import Filter
from eventstore.removals import Removals

_NAME = "ntbridge verify"


@dataclass(frozen=True, kw_only=True)
class Range:
    """The range to verify."""

    from_position: int
    to_position: int | None
    since: PointInTime | None
    until: PointInTime | None
    grace: float

    async def scope(self, verifier: Verifier) -> VerifyScope:
        """Return the range as positions and times."""
        store = verifier.store
        return await scope_of(
            verifier.database,
            store,
            from_position=self.from_position,
            to_position=self.to_position,
            since=await store.time_of(self.since),
            until=await store.time_of(self.until),
            grace=self.grace,
        )


class VerifySession:
    """Runs the checks and prints their findings."""

    def __init__(
        self,
        settings: Settings,
        printer: Printer,
        *,
        other_starters: bool,
        say: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._printer = printer
        self._other_starters = other_starters
        self._say = say

    async def verify(self, chosen: Range) -> int:
        """Run all checks; return the exit code."""
        async with self._verifier() as verifier:
            scope = await chosen.scope(verifier)
            with Bar("checked", None) as bar:
                counts = Counts(bar.step)
                found = await self._listed(verifier.findings(scope, counts))
        self._tell(found, counts)
        return exits.FAILED if found else exits.OK

    async def rebuild(self, chosen: Range, *, sure: bool) -> int:
        """Rebuild the stream of results if it is wrong; return the exit code."""
        async with self._verifier() as verifier:
            scope = await chosen.scope(verifier)
            found = await self._check_results(verifier, scope)
            if not found:
                self._say("the stream of results is correct: nothing to rebuild")
                return exits.OK
            if {each.kind for each in found} == {"result-not-relayed"}:
                self._say(
                    "the results wait for the relay, and nothing else is wrong: not rebuilt"
                )
                return exits.FAILED
            stream = self._settings.nats.stream(self._settings.nats.streams.results)
            where = Filter(origin=Origin.EMITTED)
            total = await verifier.store.count(where, after=scope.after, through=scope.through)
            bodies = Bodies(verifier.database)
            await self._require_bodies(verifier, scope, bodies)
            if not sure:
                ask(f"purge {stream} and publish {total} results again?")
            with Bar("published", total) as bar:
                rebuilder = Rebuilder(
                    verifier.client,
                    verifier.database,
                    verifier.store,
                    self._settings.nats,
                    self._settings.relay,
                    bodies=bodies.restored,
                    who=who(),
                    advanced=bar.step,
                )
                refused = await rebuilder.rebuild(scope.after, scope.through)
            self._say(f"{stream} is rebuilt: {total - refused} results")
            if refused:
                self._say(f"{refused} could not be published; see their dead letters")
            left = await self._check_results(verifier, scope)
        return exits.FAILED if left or refused else exits.OK

    async def _require_bodies(
        self, verifier: Verifier, scope: VerifyScope, bodies: Bodies
    ) -> None:
        """Check that all results of the range can be published, before the stream is emptied.

        Raises:
            Exit: The data of some were removed, and no archive has them.
            ArchiveUnavailable: An archive cannot be read.
        """
        where = Filter(origin=Origin.EMITTED)
        erasures = await Removals(verifier.database).erasures()
        lost = erased = 0
        pages = verifier.store.read_pages(after=scope.after, through=scope.through, where=where)
        async for page in pages:
            gone = [each for each in page if each.removal is not None]
            left = [each for each in await bodies.restored(gone) if each.removal is not None]
            erased += sum(each.removal in erasures for each in left)
            lost += sum(each.removal not in erasures for each in left)
        if lost:
            raise Exit(
                exits.FAILED,
                f"the data of {lost} results of this range were pruned and not archived: the stream "
                "cannot be rebuilt; give a range without them (--from-position)",
            )
        if erased:
            self._say(f"{erased} results were erased and are left out")

    async def _check_results(self, verifier: Verifier, scope: VerifyScope) -> list[Discrepancy]:
        with Bar("checked", None) as bar:
            counts = Counts(bar.step)
            found = await self._listed(verifier.results(scope, counts))
        self._tell(found, counts)
        return found

    async def _listed(self, findings: AsyncIterator[Discrepancy]) -> list[Discrepancy]:
        """Print findings one by one, and return them."""
        found = []
        async for finding in findings:
            found.append(finding)
            if self._printer.output not in ("json", "yaml"):
                self._printer.stream(_row(finding))
        return found

    def _tell(self, found: list[Discrepancy], counts: Counts) -> None:
        if self._printer.output in ("json", "yaml"):
            whole = {
                "findings": [_row(finding) for finding in found],
                "looked_at": dict(counts.checked),
                "not_told": dict(counts.not_checked),
            }
            self._printer.one(whole)
        looked = ", ".join(f"{count} {what}" for what, count in counts.checked.items())
        self._say(f"checked {looked or 'nothing'}")
        for why, count in counts.not_checked.items():
            self._say(f"{count} not checked: {why}")
        self._say(f"{len(found)} {'finding' if len(found) == 1 else 'findings'}")

    @asynccontextmanager
    async def _verifier(self) -> AsyncIterator[Verifier]:
        settings = self._settings
        routes = load_routes(
            settings.routes,
            settings.intake.written_sources,
            settings.type_prefix,
            settings.temporal.names,
        )
        settings = settings.with_sources(routes.sources.settings)
        client = await connect_once(settings.nats, _NAME)
        try:
            async with open_store(settings, _NAME) as (database, store):
                yield Verifier(
                    settings,
                    client,
                    database,
                    store,
                    await connect_each(settings.temporal),
                    routes,
                    self._other_starters,
                )
        finally:
            await client.close()


def _row(finding: Discrepancy) -> dict[str, Any]:
    row: dict[str, Any] = msgspec.to_builtins(finding)
    return row
