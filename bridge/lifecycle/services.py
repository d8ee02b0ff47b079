"""Services: long-running parts, and the supervisor that starts, watches and stops them.

Every long-running part of the daemon, of the development stack and of the tests is a `Service`. The
`Supervisor` starts them in order, waits, and stops them in reverse. Three rules hold:

* **ready means ready**: `start()` returns when the part does its work, not when it was launched;
* **stopping drains**: `stop()` returns when nothing of the part runs any more, and its work in progress is finished or given back;
* **no part dies unnoticed**: when a part ends unasked, the others are stopped, a log line names it, and
  `Supervisor.run` raises `ServiceDiedError`, which a command turns into a non-zero exit code.

Most services are a `TaskService`: a class with one `run()` coroutine.
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
    """A part ended without having been stopped; its exception, if any, is chained.

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
        """The name in log lines and errors."""

    async def start(self) -> None:
        """Return when the part is ready. When this raises or is cancelled, nothing stays started."""

    async def stop(self) -> None:
        """Drain, then return when nothing of the part is running. Does not raise for a part that has died."""

    async def wait(self) -> None:
        """Return after `stop`; raise the part's error if it ended unasked."""


def part_name(part: str, namespace: str) -> str:
    """Return the name of a part that each Temporal namespace has; the default one adds nothing."""
    return f"{part} {namespace}" if namespace else part


async def rest(until: asyncio.Event, seconds: float) -> None:
    """Sleep for a time, or until the event is set."""
    # Not `wait_for`: in Python 3.11 it loses a cancellation that arrives in the turn in which it ends.
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await until.wait()


class TaskService(ABC):
    """A service made of one coroutine, `run()`.

    `run` calls `ready()` once it does its work. Between two steps it checks `stopping` (or waits with `pause`), and
    it returns soon after `stopping` is set. It is cancelled if it does not return within `patience` seconds.
    """

    patience: float = 10.0

    def __init__(self, name: str) -> None:
        self._name = name
        self._task: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self.stopping = asyncio.Event()
        self.problem: str | None = None
        """Why it cannot do its work now, as the server said it; shown on `/readyz`."""

    @property
    def name(self) -> str:
        """The name in log lines and errors."""
        return self._name

    @abstractmethod
    async def run(self) -> None:
        """Do the work until `stopping` is set; call `ready()` once it is doing it."""

    @final
    def ready(self) -> None:
        """Let `start()` return: the part does its work."""
        self._ready.set()

    @final
    async def pause(self, seconds: float) -> None:
        """Sleep for a time, or until `stop()` is called."""
        await rest(self.stopping, seconds)

    @final
    async def unless_stopped(self, work: Awaitable[T]) -> T | None:
        """Return the work's result; None if `stop()` was called first, which cancels the work."""
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
        """Set `stopping` and wait until `run()` has ended; cancel it after `patience` seconds."""
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
        """Return after `stop()`; raise if `run()` ended unasked.

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
    """Return an event for `Supervisor.run` that any of the signals sets; a second signal is not caught."""
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
        services: in the order in which they start: a service may need those before it.
        patience: seconds after which the supervisor no longer waits for the `stop()` of a service and stops the next.
    """

    def __init__(self, services: Sequence[Service], *, patience: float = 30.0) -> None:
        self._services = tuple(services)
        self._patience = patience

    async def run(self, until: asyncio.Event, *, started: asyncio.Event | None = None) -> None:
        """Run the services until `until` is set; stop all of them when one dies or cannot start.

        Args:
            until: set it to stop everything, also while parts are still starting.
            started: set by this method once every part is ready.

        Raises:
            ServiceDiedError: a part ended unasked.
            Exception: the `start()` of a part raised it.
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
            # The first line only: the others are a child process's output, shown with the error itself.
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
            except Exception as error:  # noqa: BLE001 - the others must be stopped too
                _log.error("service.stop_failed", service=service.name, reason=repr(error))
            else:
                _log.info("service.stopped", service=service.name)


async def _first(
    wanted: asyncio.Task[Any], end: asyncio.Task[Any], watchers: set[asyncio.Task[None]]
) -> bool:
    """Wait for `wanted`; return False if `end` came first, raise if a watcher ended."""
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
    """Raise `ServiceDiedError` as soon as the service has ended unasked."""
    try:
        await service.wait()
    except ServiceDiedError:
        raise
    except Exception as error:
        raise ServiceDiedError(service.name, str(error) or repr(error)) from error
    raise ServiceDiedError(service.name, "it ended without having been stopped")


def _cause(task: asyncio.Task[None]) -> BaseException | None:
    return None if task.cancelled() else task.exception()


def _reason(task: asyncio.Task[None]) -> str:
    if task.cancelled():
        return "it was cancelled"
    error = task.exception()
    return "it returned without having been stopped" if error is None else repr(error)
