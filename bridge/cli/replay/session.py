"""Starting and resuming replays, for ``ntbridge replay``."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

from bridge.cli import exits
from bridge.cli.common import ask, note, who
from bridge.cli.events.view import print_events
from bridge.cli.progress import Bar
from bridge.cli.replay.report import Report, events_word, tell_removed, whole
from bridge.cli.replay.selection import EventFilter
from bridge.errors import BridgeError
from bridge.evaluation import Evaluator
from bridge.history.replay.runner import Runner, Target
from bridge.history.replay.selection import Selection
from bridge.history.replay.store import (
    Destination,
    Replay,
    Replays,
    ToFile,
    ToNats,
    ToRoutes,
)
from bridge.history.replay.to_file import FileTarget
from bridge.history.replay.to_nats import NatsTarget
from bridge.history.replay.to_routes import Planner, RoutesTarget
from bridge.jetstream.connection import connect_once
from bridge.routes.loading import load_routes
from bridge.settings.schema import Settings
from bridge.sql.storage import open_store
from eventstore.database import Database
from eventstore.errors import EventStoreError
from eventstore.leases import Leases
from eventstore.store import EventStore

_NAME = "ntbridge replay"
_ASK_ABOVE = 1000
"""More copies than this are sent only after a confirmation."""
_ASK_ABOVE_PLANNED = 10
"""The same limit for dispatches."""


@dataclass(frozen=True, kw_only=True)
class ReplayOptions:
    """The flags for the target, and how to send."""

    to_file: Path | None
    format: Literal["ndjson", "batch"] | None
    to_nats: bool
    to_subject: str | None
    to_routes: list[str] | None
    again: bool
    forgotten: bool
    rate: float | None
    dry_run: bool
    sure: bool

    def destination(self) -> Destination:
        """Return where copies go."""
        if self.to_file is not None:
            batch = self.format == "batch" or (
                self.format is None and self.to_file.suffix == ".json"
            )
            path = str(self.to_file.absolute())
            return ToFile(path=path, format="batch" if batch else "ndjson")
        if self.to_routes is not None:
            names = tuple(dict.fromkeys(self.to_routes))
            return ToRoutes(names=names, again=self.again, forgotten=self.forgotten)
        return ToNats(subject=self.to_subject)


async def print_all(settings: Settings, chosen: EventFilter, options: ReplayOptions) -> int:
    """Print events to standard output."""
    async with open_store(settings, _NAME) as (_, store):
        selection = await chosen.selection(store)
        await tell_removed(store, selection, await selection.end(store))
        if options.dry_run:
            note(f"{await selection.count(store)} events selected")
            return exits.OK
        report = Report()
        note(f"{await print_events(whole(selection.read(store), report))} events")
    return report.finish()


async def begin(settings: Settings, chosen: EventFilter, options: ReplayOptions) -> int:
    """Count the events, ask if they are many, and run a new replay."""
    destination = options.destination()
    async with open_store(settings, _NAME) as (database, store):
        selection = await chosen.selection(store)
        through = await selection.end(store)
        total = await selection.count(store, through)
        await _tell_and_ask(
            settings, database, store, selection, destination, options, (total, through)
        )
        if options.dry_run:
            return exits.OK
        report = Report()
        async with _opened(settings, database, store, destination, report, fresh=True) as (
            target,
            sequence,
        ):
            replays = Replays(database, store)
            replay = await replays.begin(
                selection,
                destination,
                through=through,
                total=total,
                sequence=sequence,
                who=who(),
            )
            note(
                f"started; after an interruption, continue with: ntbridge replay --resume {replay.id}"
            )
            return await _run(database, store, replay, target, report, options.rate)


async def resume_replay(settings: Settings, replay_id: UUID, rate: float | None) -> int:
    """Continue an interrupted replay to its end."""
    async with open_store(settings, _NAME) as (database, store):
        replay = await Replays(database, store).get(replay_id)
        if replay.state == "finished":
            note(f"replay {replay.id} is finished: {replay.done} {events_word(replay.done)}")
            return exits.OK
        note(
            f"continuing {_where_to(replay.target)}; {replay.total} {events_word(replay.total)} in all"
        )
        report = Report()
        async with _opened(settings, database, store, replay.target, report, fresh=False) as (
            target,
            _,
        ):
            return await _run(database, store, replay, target, report, rate)


async def _run(
    database: Database,
    store: EventStore,
    replay: Replay,
    target: Target,
    report: Report,
    rate: float | None,
) -> int:
    with Bar("replayed", replay.total) as bar:
        report.bar = bar
        runner = Runner(
            Replays(database, store),
            store,
            Leases(database),
            who=who(),
            advanced=bar.step,
            resumed=bar.skip,
            passed=report.add,
        )
        try:
            done = await runner.run(replay, target, rate)
        except (asyncio.CancelledError, BridgeError, EventStoreError):
            note(f"interrupted; continue with: ntbridge replay --resume {replay.id}")
            raise
    if isinstance(target, RoutesTarget):
        _tell_tally(target.tally, "planned")
    note(f"{done - report.count} {events_word(done)} replayed, replayid {replay.id}")
    return report.finish()


async def _tell_and_ask(
    settings: Settings,
    database: Database,
    store: EventStore,
    selection: Selection,
    destination: Destination,
    options: ReplayOptions,
    count: tuple[int, int],
) -> None:
    """Print what the replay will do, and ask if it is much.

    Raises:
        Exit: The user answered no, or standard input is not a terminal.
    """
    total, through = count
    note(
        f"{total} {events_word(total)} selected, up to position {through}; they go {_where_to(destination)}"
    )
    await tell_removed(store, selection, through)
    sure = options.sure or options.dry_run
    if not isinstance(destination, ToRoutes):
        if total > _ASK_ABOVE and not sure:
            ask(f"replay all {total}?")
        return
    async with Evaluator() as evaluator:
        planner = _planner(settings, destination, evaluator)
        tally = await _survey(database, store, selection, planner, count)
    _tell_tally(tally, "to be planned")
    planned = _planned(tally)
    if planned and not sure and (options.again or planned > _ASK_ABOVE_PLANNED):
        what = "again, as new generations with new effects" if options.again else "dispatches"
        ask(f"plan {planned} {what}?")


async def _survey(
    database: Database,
    store: EventStore,
    selection: Selection,
    planner: Planner,
    count: tuple[int, int],
) -> Counter[str]:
    """Return what a replay to routes would plan now, by outcome."""
    total, through = count
    tally: Counter[str] = Counter()
    with Bar("read", total) as bar:
        async for chunk in selection.chunks(store, through=through):
            known = await planner.known(database, chunk)
            for stored in chunk:
                await planner.plan(stored, known, tally)
            bar.step(len(chunk))
    return tally


@asynccontextmanager
async def _opened(
    settings: Settings,
    database: Database,
    store: EventStore,
    destination: Destination,
    report: Report,
    *,
    fresh: bool,
) -> AsyncIterator[tuple[Target, int | None]]:
    """Open a target; for NATS, also return the sequence of the stream's last message."""
    match destination:
        case ToFile():
            file = FileTarget(destination, store, fresh=fresh, passed=report.add)
            try:
                yield file, None
            finally:
                await file.close()
        case ToNats():
            client = await connect_once(settings.nats, _NAME)
            nats = NatsTarget(
                client,
                settings.nats,
                destination,
                guarded=settings.nats.streams.results,
                passed=report.add,
            )
            try:
                yield nats, await nats.open()
            finally:
                await client.close()
        case ToRoutes():
            async with Evaluator() as evaluator:
                planner = _planner(settings, destination, evaluator)
                yield RoutesTarget(database, planner, waiting=report.waiting), None


def _planner(settings: Settings, destination: ToRoutes, evaluator: Evaluator) -> Planner:
    return Planner(
        load_routes(
            settings.routes,
            settings.intake.written_sources,
            settings.type_prefix,
            settings.temporal.names,
        ),
        destination,
        evaluator,
        max_hops=settings.intake.max_hops,
        retention=settings.retention.dispatches,
    )


def _where_to(destination: Destination) -> str:
    match destination:
        case ToFile(path=path, format=kind):
            return f"to the file {path} ({kind})"
        case ToNats(subject=None):
            return "to NATS, on replay.<replay id>.<original subject>"
        case ToNats(subject=subject):
            return f"to NATS, on {subject}"
        case ToRoutes(names=names, again=again):
            routes = f"the routes {', '.join(names)}" if names else "all routes"
            return f"to {routes}" + (
                ", AGAIN: as new generations, with new effects" if again else ""
            )


_WORDS: Mapping[str, str] = {
    "unmatched": "events match none of these routes",
    "seen": "dispatches were planned before: not planned again",
    "open": "dispatches are still open: not planned again",
    "forgotten": "may have been dispatched before, and retention removed the record: not planned "
    "(--forgotten plans them)",
    "dead": "of those planned become dead letters at once, with the reason",
    "schema": "events violate the current schema: not planned",
    "removed": "events have no data any more: not planned (--include-archive reads archived data)",
    "loop": "events have passed the bridge too often (hops): not planned",
}


def _tell_tally(tally: Mapping[str, int], done: str) -> None:
    for word, count in sorted(tally.items()):
        if word.startswith("planned "):
            note(f"  {count} {done} by route {word.removeprefix('planned ')}")
    for word, meaning in _WORDS.items():
        if tally.get(word):
            note(f"  {tally[word]} {meaning}")


def _planned(tally: Mapping[str, int]) -> int:
    return sum(count for word, count in tally.items() if word.startswith("planned "))
