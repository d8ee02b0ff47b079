"""`ReplayHost`: runs the replays that people begin in a console.

::

    browser ──▶ row of replays (runner: console) + audit row ──▶ host of any console ──▶ Runner ──▶ target

The row is the order: the page only writes it. Each console looks for such rows every few seconds and
runs what nobody runs, under the lease of the replay.

- *the browser closes*: nothing happens; the row stays.
- *the console is killed*, before or during the run: the lease expires, and another console, or the
  next one that starts, continues where the target ends (`bridge.history.replay`). Without a console
  the replay waits.
- *a person stops it*: the state says so, and the lease is taken away; the run ends within about a
  second, wherever it runs.
- *the database or NATS is away*: the run is tried again, with a growing pause.
- *the target refuses*: the replay stops; the row has the reason.
"""

import asyncio
from functools import partial
from typing import Protocol
from uuid import UUID

import structlog
from typing_extensions import override

from bridge.errors import BridgeError, NotConnected
from bridge.history.replay.runner import Passed, Runner
from bridge.history.replay.store import Replay, Replays, ReplayStopped
from bridge.history.replay.targets import Report, Targets
from bridge.lifecycle.backoff import backoff
from bridge.lifecycle.leadership import HeldElsewhere
from bridge.lifecycle.lease_names import REPLAY_PREFIX, replay_lease
from bridge.lifecycle.services import TaskService, rest
from eventstore.errors import Deposed, EventStoreError, Unavailable
from eventstore.leases import Leases

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 2.0
_MAX_RUNNING = 4
_MAX_DUE = 50
_SHOWN = 5
"""So many events that could not be sent are named."""


class HostedRun(Protocol):
    """A run in progress."""

    @property
    def open_dispatches(self) -> int:
        """For how many open dispatches it waits to become fewer; 0: it does not wait."""
        ...


class _Report:
    """What happens during one run."""

    def __init__(self, replay: UUID) -> None:
        self._replay = replay
        self.open_dispatches = 0
        self.count = 0
        self._reasons: list[str] = []

    def waiting(self, dispatches: int) -> None:
        self.open_dispatches = dispatches

    def add(self, passed: Passed) -> None:
        log.warning(
            "replay.event_not_sent",
            replay=str(self._replay),
            position=passed.position,
            reason=passed.reason,
        )
        self.count += 1
        if len(self._reasons) < _SHOWN:
            self._reasons.append(f"position {passed.position}: {passed.reason}")

    @property
    def words(self) -> str:
        if not self.count:
            return ""
        more = self.count - len(self._reasons)
        rest_of_them = f"; and {more} more (see the log)" if more else ""
        return f"{self.count} not sent: {'; '.join(self._reasons)}{rest_of_them}"


class _NoReport:
    def waiting(self, dispatches: int) -> None:
        pass

    def add(self, passed: Passed) -> None:
        pass


NO_REPORT: Report = _NoReport()
"""For a target that is opened to see whether it can be."""


class ReplayHost(TaskService):
    """Runs replays of one store.

    Args:
        targets: Opens their targets.
        who: The name of this console, shown to operators.
        every: Seconds between two looks for replays.
    """

    def __init__(self, targets: Targets, *, who: str, every: float = _EVERY_SECONDS) -> None:
        super().__init__("replays")
        self._targets = targets
        self._leases = Leases(targets.database)
        self._replays = Replays(targets.database, targets.store)
        self._who = who
        self._every = every
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._reports: dict[UUID, _Report] = {}
        self._failures: dict[UUID, int] = {}
        self._wake = asyncio.Event()

    def wake(self) -> None:
        """Look for replays now: a row has changed."""
        self._wake.set()

    def run_of(self, replay: UUID) -> HostedRun | None:
        """Return the run of a replay in this process, if there is one."""
        return self._reports.get(replay)

    @override
    async def run(self) -> None:
        """Run replays until stopped; those that run then are continued by another console."""
        self.ready()
        stopping = asyncio.create_task(self._wake_at_stop())
        try:
            while not self.stopping.is_set():
                self._wake.clear()
                try:
                    await self._launch()
                    self.problem = None
                except (BridgeError, EventStoreError) as error:
                    self.problem = str(error)
                await rest(self._wake, self._every)
        finally:
            stopping.cancel()
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _wake_at_stop(self) -> None:
        await self.stopping.wait()
        self._wake.set()

    async def _launch(self) -> None:
        """Begin the runs that are due and that nobody runs."""
        due = await self._replays.due(_MAX_DUE)
        held = await self._leases.held(REPLAY_PREFIX) if due else {}
        for replay in due:
            if len(self._tasks) >= _MAX_RUNNING:
                return
            if replay.id not in self._tasks and replay_lease(replay.id) not in held:
                task = asyncio.create_task(self._attempt(replay), name=f"replay {replay.id}")
                self._tasks[replay.id] = task
                task.add_done_callback(partial(self._ended, replay.id))

    def _ended(self, number: UUID, _: asyncio.Task[None]) -> None:
        del self._tasks[number]
        self._reports.pop(number, None)
        self._wake.set()

    async def _attempt(self, replay: Replay) -> None:
        """Run a replay once; never raises but for a cancellation."""
        report = self._reports[replay.id] = _Report(replay.id)
        logged = log.bind(replay=str(replay.id))
        logged.info("replay.running", done=replay.done, total=replay.total)
        try:
            async with self._targets.opened(replay.target, report, fresh=False) as (target, _):
                runner = Runner(
                    self._replays,
                    self._targets.store,
                    self._leases,
                    who=self._who,
                    advanced=lambda _: None,
                    passed=report.add,
                    kind="console",
                )
                done = await runner.run(replay, target)
            logged.info("replay.finished", done=done)
            self._failures.pop(replay.id, None)
        except (ReplayStopped, HeldElsewhere, Deposed) as error:
            logged.info("replay.ended_here", reason=str(error))
        except (NotConnected, Unavailable) as error:
            await self._wait_before_next(replay, str(error))
        except Exception as error:
            # Repeating a bug or a refusal would only repeat it: people decide.
            logged.exception("replay.failed")
            reason = str(error) if isinstance(error, BridgeError) else repr(error)
            await self._note(
                replay, f"{reason}{report.words and f' ({report.words})'}", fails=True
            )
        else:
            if report.count:
                await self._note(replay, report.words)

    async def _wait_before_next(self, replay: Replay, reason: str) -> None:
        self._failures[replay.id] = failures = self._failures.get(replay.id, 0) + 1
        pause = backoff(failures)
        log.warning(
            "replay.unavailable",
            replay=str(replay.id),
            error=reason,
            next_try_in=round(pause, 1),
        )
        await self.pause(pause)

    async def _note(self, replay: Replay, words: str, *, fails: bool = False) -> None:
        try:
            await (self._replays.fail if fails else self._replays.note)(replay.id, words)
        except EventStoreError as error:
            log.warning("replay.note_lost", replay=str(replay.id), note=words, error=str(error))
