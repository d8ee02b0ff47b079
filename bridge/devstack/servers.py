"""Runs the three servers."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

from bridge.devstack import ports
from bridge.devstack.addresses import Addresses
from bridge.devstack.child import Child
from bridge.devstack.nats_server import NatsServer
from bridge.devstack.postgres_server import PostgresServer
from bridge.devstack.state import StateFolder
from bridge.devstack.temporal_server import TemporalServer
from bridge.errors import StackError

STANDARD_PORTS = {
    "nats": 4222,
    "temporal": 7233,
    "temporal_ui": 8233,
    "temporal_http": 7243,
    "postgres": 5432,
}

_ATTEMPTS = 3

_Server = TypeVar("_Server", bound=Child)


def _silent(_line: str) -> None:
    """Report nothing."""


class DevServers:
    """nats-server, the Temporal dev server and Postgres in one state folder: a `bridge.lifecycle.services.Service`.

    Args:
        state: The state folder; None for a temporary one, removed by `stop`.
        progress: Called with short lines for a person about each step.
        standard_ports: Whether to prefer the servers' standard ports if they are free. Ports of the previous run in
            the same state folder are preferred in any case.

    Attributes:
        nats: The server; tests `kill` and `start` it to see how other parts react.
        temporal: The server, likewise.
        postgres: The server, likewise.
    """

    name = "servers"

    nats: NatsServer
    temporal: TemporalServer
    postgres: PostgresServer

    def __init__(
        self,
        state: Path | None,
        progress: Callable[[str], None] = _silent,
        *,
        standard_ports: bool = True,
    ) -> None:
        self._folder = state
        self._progress = progress
        self._standard = STANDARD_PORTS if standard_ports else {}
        self._resources = ExitStack()
        self._running: list[Child] = []
        self._state: StateFolder | None = None

    @property
    def state(self) -> StateFolder:
        """The locked state folder.

        Raises:
            StackError: The servers are not started.
        """
        if self._state is None:
            raise StackError("The servers are not running.")
        return self._state

    @property
    def addresses(self) -> Addresses:
        """The servers' addresses.

        Raises:
            StackError: They are not started.
        """
        servers = (self.nats, self.temporal, self.postgres) if self._running else ()
        if not servers:
            raise StackError("The servers are not running.")
        return Addresses(
            nats_url=self.nats.url,
            temporal_address=self.temporal.address,
            temporal_ui_url=self.temporal.ui_url,
            database_url=self.postgres.url(),
            payloads=self.state.part("payloads").as_uri(),
            pids={"dev": os.getpid(), **{server.name: server.pid for server in servers}},
        )

    async def start(self) -> None:
        """Start all three concurrently and return when all answer.

        Raises:
            StackError: The folder is in use, or a server did not start; with its last log lines.
        """
        if self._running:
            return
        state = StateFolder.temporary() if self._folder is None else StateFolder(self._folder)
        self._state = self._resources.enter_context(state)
        self._progress(f"state in {state.folder}")
        try:
            await self._start_all(state)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all three and unlock the state folder; remove it if it is temporary."""
        running, self._running = self._running, []
        try:
            await asyncio.gather(*(server.stop() for server in running))
        finally:
            self._resources.close()
            self._state = None

    async def wait(self) -> None:
        """Return after `stop`.

        Raises:
            StackError: A server died; with its last log lines.
        """
        await _first_error([server.wait() for server in self._running])

    async def _start_all(self, state: StateFolder) -> None:
        last, given = state.last_ports(), dict[str, int]()

        def port(name: str) -> int:
            given[name] = ports.pick([last.get(name), self._standard.get(name)], given.values())
            return given[name]

        async def nats() -> None:
            self.nats = await self._start(lambda: NatsServer(state, port("nats")))

        async def temporal() -> None:
            self.temporal = await self._start(
                lambda: TemporalServer(
                    state,
                    port=port("temporal"),
                    ui_port=port("temporal_ui"),
                    http_port=port("temporal_http"),
                )
            )

        async def postgres() -> None:
            self.postgres = await self._start(lambda: PostgresServer(state, port("postgres")))

        await _first_error([nats(), temporal(), postgres()])
        state.remember_ports(given)

    async def _start(self, make: Callable[[], _Server]) -> _Server:
        """Create and start a server; retry with other ports if another program took one first."""
        for left in reversed(range(_ATTEMPTS)):
            server = make()
            self._running.append(server)
            self._progress(f"starting {server.name}")
            try:
                await server.start()
            except StackError as error:
                self._running.remove(server)
                if not left or "address already in use" not in str(error).lower():
                    raise
            else:
                return server
        raise AssertionError  # the last attempt returns or raises


async def _first_error(awaitables: list[Awaitable[None]]) -> None:
    """Wait for all; raise the first error itself, not in a group, and cancel the others."""
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        for task in asyncio.as_completed(tasks):
            await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
