"""Long-running parts, and the one supervisor that starts, watches and stops them.

Every long-running part of the daemon, of the development stack and of the tests is a `Service`. The
`Supervisor` starts them in order, waits, and stops them in reverse. Three rules make that dependable:

* **ready means ready**: `start()` returns when the part does its work, not when it was launched;
* **stopping drains**: `stop()` returns when nothing of the part is left, and work in hand is finished or given back;
* **nothing dies quietly**: a part that ends without having been asked stops the others, a log line names it, and
  `Supervisor.run` raises `ServiceDiedError`, which a command turns into a non-zero exit.

`TaskService` is the usual way to be one: a class with one `run()` coroutine.
"""

import asyncio
import contextlib
import signal
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Sequence
from typing import Any, Protocol, TypeVar, final

import structlog

from bridge.errors import BridgeError

_log = structlog.get_logger(__name__)

T = TypeVar("T")


class ServiceDiedError(BridgeError):
    """A part ended although nobody had asked it to; the cause, if there is one, is chained.

    Attributes:
        service: name of the part.
    """

    def __init__(self, service: str, reason: str) -> None:
        super().__init__(f"{service} died: {reason}")
        self.service = service


class Service(Protocol):
    """A long-running part.

    All methods belong to one event loop. `start` and `stop` may each be called twice; `start` after `stop` is
    allowed where the class says so.
    """

    @property
    def name(self) -> str:
        """What log lines and errors call it."""

    async def start(self) -> None:
        """Return when the part is ready. What was begun is undone when it raises or is cancelled."""

    async def stop(self) -> None:
        """Drain, then return when nothing of the part is running. Never raises for a part that is dead already."""

    async def wait(self) -> None:
        """Return when the part has ended by `stop`, raise what it died of when it was not asked."""


async def rest(until: asyncio.Event, seconds: float) -> None:
    """Sleep, but no longer than until something is set."""
    # Not `wait_for`: that of Python 3.11 forgets a cancellation that comes in the moment of the end.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await until.wait()


class TaskService(ABC):
    """A service made of one coroutine, `run()`.

    `run` calls `ready()` once it does its work, looks at `stopping` (or waits with `pause`) between two steps, and
    returns soon after that is set. One that does not return within `patience` seconds is cancelled.
    """

    patience: float = 10.0

    def __init__(self, name: str) -> None:
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self.stopping = asyncio.Event()
        self.problem: str | None = None
        """Why it cannot do its work just now, in the words of whom it came from; `/readyz` says it."""

    @property
    def name(self) -> str:
        """What log lines and errors call it."""
        return self._name

    @abstractmethod
    async def run(self) -> None:
        """Do the work until `stopping` is set; call `ready()` when it has begun."""

    @final
    def ready(self) -> None:
        """Tell `start()` that the part does its work."""
        self._ready.set()

    @final
    async def pause(self, seconds: float) -> None:
        """Sleep, but no longer than until `stop()` is called."""
        await rest(self.stopping, seconds)

    @final
    async def unless_stopped(self, work: Awaitable[T]) -> T | None:
        """Return what the work gives; None when `stop()` was called first, and it was cancelled."""
        working = asyncio.ensure_future(work)
        stopping = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait({working, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            stopping.cancel()
            if not working.done():
                working.cancel()
                await asyncio.gather(working, return_exceptions=True)
        return None if working.cancelled() else working.result()

    @final
    async def start(self) -> None:
        """Launch `run()` and return when it has called `ready()`.

        Raises:
            ServiceDiedError: `run()` ended before it was ready.
        """
        if self._task is None or self._task.done():
            self._ready.clear()
            self.stopping.clear()
            self._task = asyncio.create_task(self.run(), name=self._name)
        ready = asyncio.create_task(self._ready.wait())
        try:
            await asyncio.wait({ready, self._task}, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self.stop()
            raise
        finally:
            ready.cancel()
        if not self._ready.is_set():
            task, self._task = self._task, None
            raise ServiceDiedError(self._name, _reason(task)) from _cause(task)

    @final
    async def stop(self) -> None:
        """Set `stopping`, wait until `run()` has ended; cancel it when it outlasts `patience`."""
        self.stopping.set()
        if self._task is None:
            return
        _done, late = await asyncio.wait({self._task}, timeout=self.patience)
        if late:
            _log.warning("service.cancelled", service=self._name, after_seconds=self.patience)
            self._task.cancel()
            await asyncio.wait({self._task})
        elif _cause(self._task) is not None:
            _log.warning(
                "service.failed_while_stopping", service=self._name, reason=_reason(self._task)
            )
        self._task = None

    @final
    async def wait(self) -> None:
        """Return after `stop()`; raise what `run()` died of.

        Raises:
            ServiceDiedError: `run()` returned or raised without having been asked to stop.
        """
        task = self._task
        if task is None:
            return
        await asyncio.wait({task})
        if not self.stopping.is_set():
            raise ServiceDiedError(self._name, _reason(task)) from _cause(task)


def until_signalled(
    numbers: Sequence[signal.Signals] = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
) -> asyncio.Event:
    """An event for `Supervisor.run`, set by any of the signals; the second one is not caught any more."""
    loop, until = asyncio.get_running_loop(), asyncio.Event()

    def end() -> None:
        until.set()
        for number in numbers:
            loop.remove_signal_handler(number)

    for number in numbers:
        loop.add_signal_handler(number, end)
    return until


class Supervisor:
    """Starts services in order, waits, stops them in reverse.

    Args:
        services: in the order in which they need one another: the first is needed by the later ones.
        patience: seconds that `stop()` of each may take before the next one's turn comes regardless.
    """

    def __init__(self, services: Sequence[Service], *, patience: float = 30.0) -> None:
        self._services = tuple(services)
        self._patience = patience

    async def run(self, until: asyncio.Event, *, started: asyncio.Event | None = None) -> None:
        """Keep the services running until `until` is set; also when one dies or cannot start, all are stopped.

        Args:
            until: set it to end everything, while parts are still starting too.
            started: is set here once every part is ready.

        Raises:
            ServiceDiedError: a part ended unasked.
            Exception: whatever the `start()` of a part raised.
        """
        begun: list[Service] = []
        watchers: set[asyncio.Task[None]] = set()
        end = asyncio.create_task(until.wait(), name="until")
        try:
            for service in self._services:
                begun.append(service)
                starting = asyncio.create_task(service.start(), name=f"start {service.name}")
                if not await _first(starting, end, watchers):
                    return
                watchers.add(asyncio.create_task(_watch(service), name=f"watch {service.name}"))
                _log.info("service.started", service=service.name)
            if started is not None:
                started.set()
            await _first(end, end, watchers)
        except Exception as error:
            name = error.service if isinstance(error, ServiceDiedError) else begun[-1].name
            # The first line: what a child process said last is for whoever shows the error.
            reason = (str(error) or repr(error)).partition("\n")[0]
            _log.error("service.died", service=name, reason=reason)
            raise
        finally:
            for task in {end, *watchers}:
                task.cancel()
            await asyncio.gather(end, *watchers, return_exceptions=True)
            await self._stop(begun)

    async def _stop(self, begun: Sequence[Service]) -> None:
        for service in reversed(begun):
            try:
                async with asyncio.timeout(self._patience):
                    await service.stop()
            except Exception as error:  # noqa: BLE001 - one that fails to stop must not keep the others up
                _log.error("service.stop_failed", service=service.name, reason=repr(error))
            else:
                _log.info("service.stopped", service=service.name)


async def _first(
    wanted: asyncio.Task[Any], end: asyncio.Task[Any], watchers: set[asyncio.Task[None]]
) -> bool:
    """Wait for `wanted`; return False when `end` came first, raise when a watcher did."""
    try:
        await asyncio.wait({wanted, end, *watchers}, return_when=asyncio.FIRST_COMPLETED)
        for watcher in watchers:
            if watcher.done():
                watcher.result()
        if wanted.done():
            wanted.result()
        return not end.done()
    finally:
        if not wanted.done():
            wanted.cancel()
            await asyncio.gather(wanted, return_exceptions=True)


async def _watch(service: Service) -> None:
    """Raise `ServiceDiedError` as soon as the service has ended: the supervisor has not asked it to."""
    try:
        await service.wait()
    except ServiceDiedError:
        raise
    except Exception as error:
        raise ServiceDiedError(service.name, str(error) or repr(error)) from error
    raise ServiceDiedError(service.name, "it ended by itself")


def _cause(task: asyncio.Task[None]) -> BaseException | None:
    return None if task.cancelled() else task.exception()


def _reason(task: asyncio.Task[None]) -> str:
    if task.cancelled():
        return "it was cancelled"
    error = task.exception()
    return "it returned without having been asked to stop" if error is None else repr(error)
