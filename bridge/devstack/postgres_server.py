"""The embedded Postgres.

Run directly, not by its wheel's own starter: that one daemonises, and as root it makes a system user and opens
folders to everybody.
"""

import os
import pwd
import shutil
import signal
from dataclasses import replace

import asyncpg
from typing_extensions import override

from bridge.devstack import binaries, launch
from bridge.devstack.child import Child, Command, Identity, run_to_end
from bridge.devstack.environment import for_servers
from bridge.devstack.ports import HOST
from bridge.devstack.state import StateFolder
from bridge.errors import StackError

USER = "ntbridge"
DATABASE = "ntbridge"

_SETTINGS = {
    "listen_addresses": HOST,
    "unix_socket_directories": "",  # TCP alone: a socket's path has a length limit, a state folder has none
    "dynamic_shared_memory_type": "mmap",  # in the data folder, not in /dev/shm
    "max_connections": "200",  # a whole test suite and its daemons
    "max_prepared_transactions": "16",  # the store's fence must respect prepared ones: its tests make some
    "log_line_prefix": "%m [%p] ",
}

# See `launch`. In order of preference: the first changes nothing at all, but needs user namespaces.
_INSTEAD_OF_ROOT: tuple[Identity, ...] = ("namespace", "nobody")


class PostgresServer(Child):
    """Postgres over a data folder in the state folder, with a password made once.

    Args:
        state: the stack's state.
        port: to listen on, on the loopback interface; kept over restarts.
    """

    def __init__(self, state: StateFolder, port: int) -> None:
        self.port = port
        self._folder = state.part("postgres")
        self._data = self._folder / "data"
        self._password, self._password_file = state.secret("postgres", "password")
        settings = {**_SETTINGS, "port": str(port)}
        super().__init__(
            Command(
                name="postgres",
                argv=[
                    str(binaries.postgres("postgres")),
                    "-D",
                    str(self._data),
                    *[f"--{name}={value}" for name, value in settings.items()],
                ],
                env=for_servers(str(self._folder)),
                log=state.logs / "postgres.log",
                ready=self._answers,
                start_within=60,  # it may have a crash to recover from
                stop_signal=signal.SIGINT,  # "fast": end the sessions, write everything out
                death_signal=signal.SIGQUIT,  # "immediate": end now, with all backends, recover at the next start
                lock=self._folder / "lock",
                needs=self._folder,
            )
        )

    def url(self, database: str = DATABASE) -> str:
        """The DSN of a database. Names the SSL mode, so that no PGSSLMODE decides it: the wheel has no TLS."""
        return f"postgresql://{USER}:{self._password}@{HOST}:{self.port}/{database}?sslmode=disable"

    @override
    async def start(self) -> None:
        """Start the server; ready when it answers a query and has our database."""
        await super().start()
        await self._make_database()

    @override
    async def prepare(self) -> None:
        """Choose as whom to run; make the data folder when there is none; clear up after a killed run."""
        self.command = replace(self.command, identity=await self._identity())
        if not self._data.exists():
            await self._make_data()
        self._own_data()
        # We hold the lock: no process of that server is left, whoever has its process id now.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    async def _answers(self, _child: Child) -> bool:
        try:
            connection = await asyncpg.connect(self.url("postgres"), timeout=2)
        except asyncpg.CannotConnectNowError:  # it is recovering
            return False
        except asyncpg.InvalidAuthorizationSpecificationError:
            return False  # somebody else's, who was quicker to take the port: ours will say so
        try:
            return bool(await connection.fetchval("SELECT NOT pg_is_in_recovery()"))
        finally:
            await connection.close(timeout=2)

    async def _identity(self) -> Identity:
        """As whom to run: Postgres refuses root, and initdb a user without a name (as in some containers)."""
        if os.geteuid() != 0 and _has_name(os.geteuid()):
            return "same"
        choices: tuple[Identity, ...] = (
            _INSTEAD_OF_ROOT if os.geteuid() == 0 else ("namespace",)
        )
        refusals = []
        probe = replace(
            self.command,
            name="postgres --version",
            argv=[self.command.argv[0], "--version"],
            lock=None,
        )
        for identity in choices:
            try:
                await run_to_end(replace(probe, identity=identity))
            except StackError as error:
                refusals.append(str(error))
            else:
                return identity
        raise StackError(
            f"Postgres refuses to run as root or as a user without a name (we are user {os.geteuid()}), and here "
            "we may neither open a user namespace nor become another user. Run as an ordinary user, or allow "
            "user namespaces (sysctl user.max_user_namespaces, or the container's security profile).\n"
            + "\n".join(refusals)
        )

    async def _make_data(self) -> None:
        """Run initdb, under another name until it is complete: a killed run leaves no half of a data folder."""
        draft = self._folder / "data.new"
        shutil.rmtree(draft, ignore_errors=True)
        await run_to_end(
            replace(
                self.command,
                name="initdb",
                argv=[
                    str(binaries.postgres("initdb")),
                    *("-D", str(draft)),
                    *("-U", USER),
                    *("-E", "UTF8"),
                    "--locale=C",
                    "--auth=scram-sha-256",
                    f"--pwfile={self._password_file}",
                    "--no-instructions",
                ],
                death_signal=signal.SIGKILL,
                lock=None,
            )
        )
        draft.rename(self._data)

    def _own_data(self) -> None:
        """Give the data folder to whom Postgres runs as, when another identity had made it."""
        wanted = launch.NOBODY if self.command.identity == "nobody" else os.geteuid()
        group = launch.NOBODY if self.command.identity == "nobody" else os.getegid()
        owner = self._data.stat().st_uid
        if owner == wanted:
            return
        if os.geteuid() != 0 or owner not in {0, launch.NOBODY}:
            raise StackError(
                f"{self._data} belongs to user {owner}, not to {wanted}. Run as that user, or choose another "
                "folder with --state."
            )
        for path in (self._data, *self._data.rglob("*")):
            os.chown(path, wanted, group, follow_symlinks=False)

    async def _make_database(self) -> None:
        connection = await asyncpg.connect(self.url("postgres"), timeout=5)
        try:
            await connection.execute(f"CREATE DATABASE {DATABASE}")
        except asyncpg.DuplicateDatabaseError:
            pass
        finally:
            await connection.close(timeout=5)


def _has_name(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True
