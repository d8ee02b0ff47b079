"""The whole of `ntbridge dev`: the servers, what they need before use, the programs of ours that use them.

::

    servers → prepare → programs (daemon, worker) → stack.json → follow

`prepare`, the programs and `follow` come from the composition root: this module knows no schema, no stream and no
command of ours.
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
    """How to run a stack.

    Attributes:
        state: the state folder; None for a temporary one, removed at the end.
        progress: is told, in short lines for people, what is being done.
        standard_ports: whether to prefer the ports that the servers usually have.
        routes: the routes file of the daemon, for other commands to find.
    """

    state: Path | None
    progress: Progress
    standard_ports: bool = True
    routes: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Program:
    """A program of ours that runs against the servers as long as they do.

    Attributes:
        name: what progress lines, errors and the log file call it.
        argv: the program, as an absolute path, and its arguments.
        env: what to add to its environment, beside the servers' addresses.
        keeps_in: the variable that names a folder of its own in the stack's state; empty: none.
        ready: asked again and again until it says True (`says` is one); None: ready when launched.
        start_within: seconds it may take to be ready.
        stop_within: seconds it may take to drain.
        pages: finds where it serves its pages, once it is ready; None when it has none.
    """

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    keeps_in: str = ""
    ready: Callable[[Child], Awaitable[bool]] | None = None
    start_within: float = 30.0
    stop_within: float = 15.0
    pages: Callable[[Child], str] | None = None


def says(text: str) -> Callable[[Child], Awaitable[bool]]:
    """A readiness probe: the program has written this text since it was started."""

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

    Variables of our environment that name a server or a setting are removed from it: they would be somebody else's.

    Args:
        options: where and how.
        prepare: makes fresh servers usable (schema, streams); runs at every start, before the programs.
        programs: started in order once that is done.
        follow: runs once all is up and `stack.json` is written. When it returns the stack stops; what it raises
            stops the stack and is raised here. None: stay up.

    Raises:
        StackError: the state folder is in use, or a server or program could not start.
        ServiceDiedError: one of them died; with its last log lines.
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
    """What the steps of one stack share."""

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
        """Of the servers, with the programs' process ids."""
        pids = {name: child.pid for name, child in self._children.items()}
        servers = self.servers.addresses
        pages = {name: find(self._children[name]) for name, find in self._pages.items()}
        return replace(servers, pids={**servers.pids, **pids}, routes=self._routes, pages=pages)

    async def prepare(self) -> None:
        self._progress("servers are up; preparing them")
        await self._prepare(self.servers.addresses)

    def child(self, program: Program) -> Callable[[], Child]:
        def make() -> Child:
            self._progress(f"starting {program.name}")
            environment = self.servers.addresses.environment()
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
            self._progress(f"other commands find it by {addresses.STATE_VARIABLE}={folder}")

    async def remove(self) -> None:
        self._progress("stopping")
        self.servers.state.withdraw()


class _Step:
    """A service that does something at the start and undoes it at the end, and does not die."""

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
    """A service that can be made only when those before it are up."""

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
    """Runs `follow`, ends the stack when it ends, keeps what it raised for the caller of `run_stack`."""

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
