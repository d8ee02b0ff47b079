"""Two Postgres servers, a primary and a standby that streams from it, and failover between them."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
from typing_extensions import override

from bridge.devstack import binaries
from bridge.devstack.child import Child, run_to_end
from bridge.devstack.ports import HOST, pick
from bridge.devstack.postgres_server import PostgresServer
from bridge.devstack.state import StateFolder
from tests.support.waiting import eventually

_LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError)


class ReplicaServer(PostgresServer):
    """A server that is copied from another one and streams from it until it is promoted.

    Args:
        state: its own state folder, in which the password of the other one lies already.
        port: to listen on.
        primary: the server to copy.
    """

    def __init__(self, state: StateFolder, port: int, primary: PostgresServer) -> None:
        super().__init__(state, port)
        self._primary = primary

    @override
    async def _make_data(self) -> None:
        await run_to_end(
            replace(
                self.command,
                name="pg_basebackup",
                argv=[
                    str(binaries.postgres("pg_basebackup")),
                    *("-D", str(self._data)),
                    *("-d", self._primary.url("postgres")),
                    *("-X", "stream", "-c", "fast", "-R"),
                ],
                lock=None,
            )
        )

    @override
    async def _answers(self, _child: Child) -> bool:
        try:
            return await ask(self, "SELECT true") is True
        except asyncpg.CannotConnectNowError:
            return False

    @override
    async def _make_database(self) -> None:
        """It has what the primary has."""


async def ask(server: PostgresServer, statement: str) -> Any:
    """Run one statement on one server, without the store's own connections; return its value."""
    connection = await asyncpg.connect(server.url(), timeout=5)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close(timeout=5)


class Pair:
    """A primary and its standby.

    Args:
        folder: where the servers' folders go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made = 0
        self._states: list[StateFolder] = []
        self.primary = PostgresServer(self._state(), pick([]))
        self.standby: PostgresServer = self.primary

    def url(self) -> str:
        """A connection string that names both servers, the one of the lower port first."""
        ports = sorted((self.primary.port, self.standby.port))
        parts = urlsplit(self.primary.url())
        user = parts.netloc.rpartition("@")[0]
        hosts = ",".join(f"{HOST}:{port}" for port in ports)
        return urlunsplit(parts._replace(netloc=f"{user}@{hosts}"))

    async def start(self) -> None:
        """Start the primary and a standby that has all that the primary has."""
        await self.primary.start()
        await self.attach(pick([self.primary.port]))

    async def attach(self, port: int) -> None:
        """Copy the primary into a new standby, to which every commit is sent before its ack."""
        state = self._state()
        source = self.primary
        _, wanted = state.secret("postgres", "password")
        shutil.copyfile(source._password_file, wanted)  # noqa: SLF001 - a copy has its passwords
        self.standby = ReplicaServer(state, port, source)
        await self.standby.start()
        await self.wait_for_standby(synchronous=False)
        await self.be_synchronous()

    async def be_synchronous(self) -> None:
        """Let the primary wait for the standby from now on."""
        await ask(self.primary, "ALTER SYSTEM SET synchronous_standby_names = '*'")
        await ask(self.primary, "SELECT pg_reload_conf()")
        await self.wait_for_standby(synchronous=True)

    async def be_asynchronous(self, server: PostgresServer) -> None:
        """Let a server wait for nobody."""
        await ask(server, "ALTER SYSTEM RESET synchronous_standby_names")
        await ask(server, "SELECT pg_reload_conf()")

    async def wait_for_standby(self, *, synchronous: bool) -> None:
        """Wait until the standby streams and has what the primary had a moment ago."""
        state = "sync_state = 'sync'" if synchronous else "state = 'streaming'"

        async def streams() -> bool:
            return bool(
                await ask(
                    self.primary,
                    f"SELECT bool_or({state} AND replay_lsn >= pg_current_wal_flush_lsn())"
                    " FROM pg_stat_replication",
                )
            )

        await eventually(streams, within=30, forgive=_LOST)

    async def promote(self) -> None:
        """Make the standby the primary; the former one is as it was left."""
        await self.be_asynchronous(self.standby)
        await ask(self.standby, "SELECT pg_promote()")
        self.primary, self.standby = self.standby, self.primary

    async def fail_over(self) -> None:
        """Kill the primary, promote the standby, and copy it into a new standby at the old port."""
        await self.primary.kill()
        await self.promote()

    async def replace_standby(self) -> None:
        """Make a new standby at the port of the one that was killed."""
        await self.attach(self.standby.port)

    async def kill(self) -> None:
        """End both servers."""
        await self.primary.kill()
        await self.standby.kill()
        for state in self._states:
            state.__exit__(None, None, None)

    def _state(self) -> StateFolder:
        self._made += 1
        state = StateFolder(self._folder / f"server-{self._made}")
        self._states.append(state)
        return state.__enter__()


@asynccontextmanager
async def pair(folder: Path) -> AsyncIterator[Pair]:
    """A running pair of servers of the caller's own."""
    servers = Pair(folder)
    try:
        await servers.start()
        yield servers
    finally:
        await servers.kill()
