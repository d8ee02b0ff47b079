"""Starting and resuming replays, for ``ntbridge replay``."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import UUID

from bridge.cli import exits
from bridge.cli.common import ask, note, who
from bridge.cli.events.view import print_events
from bridge.cli.progress import Bar
from bridge.cli.replay.report import Report, tell_removed, whole
from bridge.cli.replay.selection import EventFilter
from bridge.errors import BridgeError
from bridge.evaluation import Evaluator
from bridge.history.replay.runner import Runner, Target
from bridge.history.replay.selection import Selection
from bridge.history.replay.store import (
    Destination,
    Launch,
    Replay,
    Replays,
    ReplayStopped,
    ToFile,
    ToNats,
    ToRoutes,
)
from bridge.history.replay.survey import Survey, Surveyor
from bridge.history.replay.targets import Targets
from bridge.history.replay.to_routes import RoutesTarget
from bridge.history.replay.wording import events, planned, summary, tally_lines, where_to
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
        targets = Targets(settings, database, store, _NAME)
        await _tell_and_ask(targets, selection, destination, options, (total, through))
        if options.dry_run:
            return exits.OK
        report = Report()
        async with targets.opened(destination, report, fresh=True) as (target, sequence):
            replays = Replays(database, store)
            replay = await replays.begin(
                selection,
                destination,
                through=through,
                total=total,
                sequence=sequence,
                who=who(),
                launch=Launch(rate=options.rate, detail=summary(selection, destination, total)),
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
            note(f"replay {replay.id} is finished: {events(replay.done)}")
            return exits.OK
        note(f"continuing {where_to(replay.target)}; {events(replay.total)} in all")
        report = Report()
        targets = Targets(settings, database, store, _NAME)
        async with targets.opened(replay.target, report, fresh=False) as (target, _):
            return await _run(database, store, replay, target, report, rate)


async def stop_replay(settings: Settings, replay_id: UUID, why: str) -> int:
    """Stop a replay, also one that another process runs."""
    async with open_store(settings, _NAME) as (database, store):
        replays = Replays(database, store)
        replay = await replays.get(replay_id)
        if await replays.stop(replay.id, who=who(), via="command line", reason=why):
            note(f"stopped; to continue it: ntbridge replay --resume {replay.id}")
            return exits.OK
        replay = await replays.get(replay_id)
        note(
            f"replay {replay.id} is {replay.state} already: {events(replay.done)} of {replay.total}"
        )
        return exits.OK


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
        except ReplayStopped as error:
            note(f"{error}; continue with: ntbridge replay --resume {replay.id}")
            return exits.FAILED
        except (asyncio.CancelledError, BridgeError, EventStoreError):
            note(f"interrupted; continue with: ntbridge replay --resume {replay.id}")
            raise
    if isinstance(target, RoutesTarget):
        _tell_tally(target.tally, "planned")
    note(f"{events(done - report.count)} replayed, replayid {replay.id}")
    return report.finish()


async def _tell_and_ask(
    targets: Targets,
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
    note(f"{events(total)} selected, up to position {through}; they go {where_to(destination)}")
    await tell_removed(targets.store, selection, through)
    sure = options.sure or options.dry_run
    if not isinstance(destination, ToRoutes):
        if total > _ASK_ABOVE and not sure:
            ask(f"replay all {total}?")
        return
    async with Evaluator() as evaluator:
        planner = targets.planner(destination, evaluator)
        surveyor = Surveyor(targets.database, targets.store, selection, planner)
        with Bar("read", total) as bar:
            empty = Survey(through=through, reached=min(selection.after, through))
            survey = await surveyor.go_on(empty, step=bar.step)
    _tell_tally(survey.tally, "to be planned")
    many = planned(survey.tally)
    if many and not sure and (options.again or many > _ASK_ABOVE_PLANNED):
        what = "again, as new generations with new effects" if options.again else "dispatches"
        ask(f"plan {many} {what}?")


def _tell_tally(tally: Mapping[str, int], done: str) -> None:
    for line in tally_lines(tally, done):
        note(f"  {line}")
