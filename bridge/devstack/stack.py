"""Runs all of `ntbridge dev`: the servers, their preparation, and the bridge's programs.

::

    servers → prepare → programs (daemon, worker) → stack.json → follow

`prepare`, the programs and `follow` are given by the caller: this module knows no schema, stream or command of the
bridge.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from typing_extensions import override

from bridge.devstack import addresses
from bridge.devstack.addresses import Addresses
from bridge.devstack.child import Child, Command
from bridge.devstack.environment import forget_foreign_settings, scrubbed
from bridge.devstack.servers import DevServers
from bridge.lifecycle.services import Service, Supervisor, TaskService, until_signalled

Progress = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """Options of a stack.

    Attributes:
        state: The state folder; None for a temporary one, removed at the end.
        progress: Called with short lines for a person about each step.
        standard_ports: Whether to prefer the servers' standard ports.
        routes: The routes file of the daemon, for other commands to find.
    """

    state: Path | None
    progress: Progress
    standard_ports: bool = True
    routes: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program of the bridge that runs while the servers run.

    Attributes:
        name: Its name in progress lines and errors, and of its log file.
        argv: The program, as an absolute path, and its arguments.
        env: Additions to its environment, beside the servers' addresses.
        settings: Further additions, which depend on the servers' addresses.
        keeps_in: The variable that names its own folder in the stack's state; empty: none.
        ready: Polled until it returns True (`says` returns such a probe); None: ready when launched.
        start_within: Seconds until it must be ready.
        stop_within: Seconds it may take to drain.
        pages: Finds the address of its pages when it is ready; None if it has none.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    settings: Callable[[Addresses], Mapping[str, str]] | None = None
    keeps_in: str = ""
    ready: Callable[[Child], Awaitable[bool]] | None = None
    start_within: float = 30.0
    stop_within: float = 15.0
    pages: Callable[[Child], str] | None = None


def says(text: str) -> Callable[[Child], Awaitable[bool]]:
    """Return a readiness probe: the program has written this text since its start."""

    async def probe(child: Child) -> bool:
        return text in child.output()

    return probe


async def run_stack(
    options: StackOptions,
    *,
    prepare: Callable[[Addresses], Awaitable[None]],
    programs: Sequence[Program],
    follow: Callable[[Addresses], Awaitable[None]] | None = None,
) -> None:
    """Run a stack until SIGINT, SIGTERM or SIGHUP, or until `follow` returns; then stop everything in reverse.

    Environment variables that name a server or a setting are removed from this process: they belong to other servers.

    Args:
        options: The state folder, the ports and the routes.
        prepare: Prepares the servers (schema, streams); runs at every start, before the programs.
        programs: Started in order after that.
        follow: Runs when all is ready and `stack.json` is written. When it returns, the stack stops; an error that it
            raises stops the stack and is raised here. None: run until a signal.

    Raises:
        StackError: The state folder is in use, or a server or program could not start.
        ServiceDiedError: A server or program died; with its last log lines.
    """
    forget_foreign_settings()
    until = until_signalled()
    servers = DevServers(options.state, options.progress, standard_ports=options.standard_ports)
    stack = _Stack(servers, options, prepare)
    services: list[Service] = [servers, _Step("preparation", stack.prepare)]
    services += [_Late(program.name, stack.child(program)) for program in programs]
    services.append(_Step("stack.json", stack.write, stack.remove))
    following = None if follow is None else _Following(stack, follow, until)
    if following is not None:
        services.append(following)
    try:
        await Supervisor(services).run(until)
    finally:
        options.progress("stopped")
    if following is not None and following.error is not None:
        raise following.error


class _Stack:
    """The state that the steps of one stack share."""

    def __init__(
        self,
        servers: DevServers,
        options: StackOptions,
        prepare: Callable[[Addresses], Awaitable[None]],
    ) -> None:
        self.servers = servers
        self._progress = options.progress
        self._routes = "" if options.routes is None else str(options.routes)
        self._prepare = prepare
        self._children: dict[str, Child] = {}
        self._pages: dict[str, Callable[[Child], str]] = {}

    @property
    def addresses(self) -> Addresses:
        """The servers' addresses, with the programs' process ids."""
        pids = {name: child.pid for name, child in self._children.items()}
        servers = self.servers.addresses
        pages = {name: find(self._children[name]) for name, find in self._pages.items()}
        return replace(servers, pids={**servers.pids, **pids}, routes=self._routes, pages=pages)

    async def prepare(self) -> None:
        self._progress("servers are ready; preparing them")
        await self._prepare(self.servers.addresses)

    def child(self, program: Program) -> Callable[[], Child]:
        def make() -> Child:
            self._progress(f"starting {program.name}")
            environment = self.servers.addresses.environment()
            if program.settings is not None:
                environment |= program.settings(self.servers.addresses)
            if program.keeps_in:
                environment[program.keeps_in] = str(self.servers.state.part(program.name))
            child = Child(
                Command(
                    name=program.name,
                    argv=program.argv,
                    env={**scrubbed(), **environment, **program.env},
                    log=self.servers.state.logs / f"{program.name}.log",
                    ready=program.ready,
                    start_within=program.start_within,
                    stop_within=program.stop_within,
                )
            )
            self._children[program.name] = child
            if program.pages is not None:
                self._pages[program.name] = program.pages
            return child

        return make

    async def write(self) -> None:
        self.servers.state.announce(self.addresses)
        folder = self.servers.state.folder
        self._progress(f"ready; addresses in {folder / addresses.STACK_FILE}")
        if addresses.find_stack(Path.cwd()) != self.addresses:
            self._progress(
                f"other commands find the stack with {addresses.STATE_VARIABLE}={folder}"
            )

    async def remove(self) -> None:
        self._progress("stopping")
        self.servers.state.withdraw()


class _Step:
    """A service that runs one function at its start and one at its end, and never dies."""

    def __init__(
        self,
        name: str,
        begin: Callable[[], Awaitable[None]],
        end: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self._begin = begin
        self._end = end
        self._begun = False

    async def start(self) -> None:
        if not self._begun:
            await self._begin()
            self._begun = True

    async def stop(self) -> None:
        if self._begun and self._end is not None:
            await self._end()
        self._begun = False

    async def wait(self) -> None:
        await asyncio.Event().wait()


class _Late:
    """A service that can be created only after the services before it have started."""

    def __init__(self, name: str, make: Callable[[], Service]) -> None:
        self.name = name
        self._make = make
        self._service: Service | None = None

    async def start(self) -> None:
        if self._service is None:
            self._service = self._make()
        await self._service.start()

    async def stop(self) -> None:
        if self._service is not None:
            await self._service.stop()

    async def wait(self) -> None:
        if self._service is not None:
            await self._service.wait()


class _Following(TaskService):
    """Runs `follow`, stops the stack when it ends, and keeps its error for the caller of `run_stack`."""

    patience = 2.0

    def __init__(
        self,
        stack: _Stack,
        follow: Callable[[Addresses], Awaitable[None]],
        until: asyncio.Event,
    ) -> None:
        super().__init__("follow")
        self._stack = stack
        self._follow = follow
        self._until = until
        self.error: Exception | None = None

    @override
    async def run(self) -> None:
        self.ready()
        following = asyncio.ensure_future(self._follow(self._stack.addresses))
        stopping = asyncio.ensure_future(self.stopping.wait())
        await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if following.done():
                following.result()
        except Exception as error:  # noqa: BLE001 - raised by run_stack, once the stack is down
            self.error = error
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            stopping.cancel()
            self._until.set()
        await self.stopping.wait()
