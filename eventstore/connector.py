"""The connector: connect to the primary among the hosts that the DSN names.

Hosts are tried in turn, the one that answered last first. The next host is tried when the previous
one has failed or has not answered for half a second, so a server that vanished costs half a second,
not a deadline. A standby is not accepted. Neither is a primary of an older timeline than one seen
before: after a failover the former primary may still run, and what it accepts is lost.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import asyncpg

from eventstore.driver_errors import translate_connecting
from eventstore.dsn import Address, parse
from eventstore.errors import (
    EventStoreError,
    NotAdmitted,
    ReadOnly,
    Unavailable,
    Unsuitable,
)
from eventstore.pool import Raw
from eventstore.session import Server, backend, establish

_HEAD_START: Final = 0.5
"""Seconds that a host is tried alone before the next one is tried too."""

_GRACE: Final = 1.5
"""The factor by which the client waits longer than the server, so that the server times out first."""

_TRIES: Final = 5
"""Attempts for a host at which a standby answers: a load balancer may choose another server."""

_LOOKS: Final = 5
"""How often two sessions are compared: on a busy pooler one comparison may miss the exchange."""

_POOLER_PATIENCE: Final = 2.0
"""Seconds that the second session may take while the pooler's mode is checked."""


@dataclass(frozen=True, slots=True)
class Session:
    """A connection whose session is set and checked.

    Attributes:
        raw: The driver's connection.
        server: The server behind it.
    """

    raw: Raw
    server: Server


class Connector:
    """Connects to a database's primary.

    Args:
        dsn: The connection string.
        shown: Its hosts, for messages.
        deadline: Seconds for an attempt, and for each statement of the session.
        moved: Called when another server answers than before.

    Raises:
        InvalidDsn: The connection string is wrong.
    """

    def __init__(
        self, dsn: str, *, shown: str, deadline: float, moved: Callable[[Server], None]
    ) -> None:
        self._dsn = parse(dsn)
        self._shown = shown
        self._deadline = deadline
        self._moved = moved
        self._server: Server | None = None
        self._preferred: Address | None = None

    async def connect(self, application_name: str) -> Session:
        """Return a new session on the primary.

        Raises:
            Unavailable: No host answers, or none accepts writes (`ReadOnly`).
            NotAdmitted: A host refuses the user, the password or the database's name.
            Unsuitable: The store cannot work on this server.
        """
        name = self._dsn.application_name or application_name
        addresses = self._in_order()
        tries = _TRIES
        while True:
            tries -= 1
            try:
                if len(addresses) == 1:
                    return await self._to(addresses[0], name)
                return await self._first(addresses, name)
            except ReadOnly:
                if not tries:
                    raise

    async def require_sessions(self, raw: Raw, application_name: str) -> None:
        """Refuse a pooler that assigns a server session per transaction.

        In PgBouncer's transaction mode, settings, LISTEN and prepared statements of one client
        affect others. A client can detect it: a second session runs in the server process of the
        first, which is idle but open. Without a pooler this costs one query.

        Raises:
            Unsuitable: Two open sessions share one process of the server.
        """
        first = await backend(raw)
        if first == raw.get_server_pid():
            return
        try:
            async with asyncio.timeout(min(_POOLER_PATIENCE, self._deadline)):
                other = await self._to(self._preferred, application_name)
        except (TimeoutError, EventStoreError):
            return  # the pooler has no second session: each session belongs to one client
        shared = False
        try:
            for _ in range(_LOOKS):
                mine, its = await backend(raw), await backend(other.raw)
                shared = shared or mine != first or its == mine
        finally:
            other.raw.terminate()
        if shared:
            raise Unsuitable(
                f"the pooler at {self._shown} gives a server's session to another client after "
                "each transaction or statement: set pool_mode=session for this database or user, "
                "or connect to Postgres directly"
            )

    def _in_order(self) -> list[Address | None]:
        addresses: list[Address | None] = list(self._dsn.addresses) or [None]
        if self._dsn.shuffled:
            random.shuffle(addresses)
        if self._preferred in addresses:
            addresses.remove(self._preferred)
            addresses.insert(0, self._preferred)
        return addresses

    async def _first(self, addresses: Sequence[Address | None], name: str) -> Session:
        """Try the hosts, each with a head start; return the first session and end the others."""
        tasks: list[asyncio.Task[Session]] = []
        chosen: Session | None = None
        try:
            for address in addresses:
                tasks.append(asyncio.create_task(self._to(address, name)))
                is_last = len(tasks) == len(addresses)
                chosen = await _succeeded(tasks, None if is_last else _HEAD_START)
                if chosen is not None:
                    return chosen
            raise _failure([error for task in tasks if (error := task.exception())])
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for task in tasks:
                if (
                    not task.cancelled()
                    and task.exception() is None
                    and task.result() is not chosen
                ):
                    task.result().raw.terminate()

    async def _to(self, address: Address | None, name: str) -> Session:
        """Connect to one host, set and check the session, and check the server."""
        shown = self._shown if address is None else _shown(address)
        try:
            _check_files(self._dsn.files)
            raw = await self._open(address, name)
            try:
                server = await establish(raw, shown, self._deadline)
                self._accept(server)
            except BaseException:
                raw.terminate()
                raise
        except EventStoreError:
            raise
        except Exception as error:
            raise translate_connecting(error, shown) from error
        self._preferred = address
        return Session(raw, server)

    async def _open(self, address: Address | None, name: str) -> Raw:
        given = self._dsn
        options: dict[str, Any] = {}
        if given.statement_cache_size is not None:
            options["statement_cache_size"] = given.statement_cache_size
        if address is None:
            options["target_session_attrs"] = "read-write"  # a service file may name several
        else:
            options["host"], options["port"] = address
        return await asyncpg.connect(
            given.text,
            timeout=min(self._deadline, given.connect_timeout or self._deadline),
            command_timeout=self._deadline * _GRACE,
            server_settings={**given.settings, "application_name": name},
            **options,
        )

    def _accept(self, server: Server) -> None:
        known = self._server
        if known is not None and not server.follows(known):
            raise ReadOnly(
                f"the database at {server.address} is a former primary (timeline {server.timeline}; "
                f"{known.address} has timeline {known.timeline}): stop it"
            )
        if known is not None and server.is_same(known):
            return
        self._server = server
        if known is not None:
            self._moved(server)


def _check_files(files: Mapping[str, str]) -> None:
    """Check that the files of certificates and keys can be read; the driver's error names none.

    Raises:
        Unavailable: One cannot be read.
    """
    for name, file in files.items():
        if not file:
            continue  # as if it were not given
        try:
            Path(file).open("rb").close()
        except OSError as error:
            raise Unavailable(
                f"{name} of the database's connection string: the file {file} cannot be read: "
                f"{error.strerror}"
            ) from None


async def _succeeded(
    tasks: Sequence[asyncio.Task[Session]], within: float | None
) -> Session | None:
    """Wait for the first that succeeds; None if all have failed or the time is over."""
    ends = None if within is None else asyncio.get_running_loop().time() + within
    while True:
        for task in tasks:
            if task.done() and task.exception() is None:
                return task.result()
        pending = [task for task in tasks if not task.done()]
        left = None if ends is None else max(0.0, ends - asyncio.get_running_loop().time())
        if not pending or left == 0:
            return None
        await asyncio.wait(pending, timeout=left, return_when=asyncio.FIRST_COMPLETED)


def _failure(errors: Sequence[BaseException]) -> BaseException:
    """Return one error for all hosts; a transient error takes precedence."""
    if len(errors) == 1 or not all(isinstance(error, EventStoreError) for error in errors):
        return next(
            (error for error in errors if not isinstance(error, EventStoreError)), errors[0]
        )
    words = "; ".join(str(error) for error in errors)
    if all(isinstance(error, NotAdmitted) for error in errors):
        return NotAdmitted(words)
    if any(isinstance(error, ReadOnly) for error in errors):
        return ReadOnly(words)
    return Unavailable(words)


def _shown(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
