"""The embedded Postgres.

Run directly, not by the starter in its wheel: that one daemonises, and as root it creates a system user and makes
folders readable for all.
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
    "unix_socket_directories": "",  # TCP only: a socket's path has a length limit, a state folder's has none
    "dynamic_shared_memory_type": "mmap",  # in the data folder, not in /dev/shm
    "max_connections": "200",  # enough for a whole test suite and its daemons
    "max_prepared_transactions": "16",  # the store's fence must handle prepared transactions: its tests make some
    "log_line_prefix": "%m [%p] ",
}

# See `launch`. In order of preference: the first changes nothing, but needs user namespaces.
_INSTEAD_OF_ROOT: tuple[Identity, ...] = ("namespace", "nobody")


class PostgresServer(Child):
    """Postgres with its data in the state folder, and a password that is generated once.

    Args:
        state: The stack's state folder.
        port: The port on the loopback interface; unchanged by restarts.
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
                start_within=60,  # it may need to recover from a crash
                stop_signal=signal.SIGINT,  # "fast": end the sessions, write everything out
                death_signal=signal.SIGQUIT,  # "immediate": end now, with all backends, recover at the next start
                lock=self._folder / "lock",
                needs=self._folder,
            )
        )

    def url(self, database: str = DATABASE) -> str:
        """Return the DSN of a database. It sets the SSL mode, or PGSSLMODE would apply: the wheel has no TLS."""
        return f"postgresql://{USER}:{self._password}@{HOST}:{self.port}/{database}?sslmode=disable"

    @override
    async def start(self) -> None:
        """Start the server; return when it answers a query and has our database."""
        await super().start()
        await self._make_database()

    @override
    async def prepare(self) -> None:
        """Choose the user; create the data folder if it is missing; clean up after a killed run."""
        self.command = replace(self.command, identity=await self._identity())
        if not self._data.exists():
            await self._make_data()
        self._own_data()
        # We hold the lock, so no process of that server is left, even if its process id is in use.
        (self._data / "postmaster.pid").unlink(missing_ok=True)

    async def _answers(self, _child: Child) -> bool:
        try:
            connection = await asyncpg.connect(self.url("postgres"), timeout=2)
        except asyncpg.CannotConnectNowError:  # it is recovering
            return False
        except asyncpg.InvalidAuthorizationSpecificationError:
            return False  # another program's server took the port first: ours will report that
        try:
            return bool(await connection.fetchval("SELECT NOT pg_is_in_recovery()"))
        finally:
            await connection.close(timeout=2)

    async def _identity(self) -> Identity:
        """Choose the user: Postgres refuses root, and initdb a user without a name (as in some containers)."""
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
            f"Postgres refuses to run as root or as a user without a name (the current user is {os.geteuid()}), and "
            "this process may neither create a user namespace nor change its user. Run as an ordinary user, or allow "
            "user namespaces (sysctl user.max_user_namespaces, or the container's security profile).\n"
            + "\n".join(refusals)
        )

    async def _make_data(self) -> None:
        """Run initdb under a temporary name until it is complete: a killed run leaves no incomplete data folder."""
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
        """Make the user that runs Postgres the owner of the data folder, if another user created it."""
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
