"""The session: settings and checks of every connection before the store uses it.

A server's configuration, a database, a role and a pooler may each have their own defaults:
``ALTER ROLE … SET default_transaction_isolation`` alone breaks the fence of leases. So nothing is
assumed. Settings that a session may change are set here and then checked; those that it may not
change are checked, and refused by name.

- *Set*: `SETTINGS`, the deadlines, ``search_path`` (the schema of the log first, ``pg_temp``
  last), plan switches of a database or role, and ``synchronous_commit`` where it is ``off``,
  because an append that was acknowledged must survive a crash. Any other value of it is the
  operator's choice.
- *Refused* (`Unsuitable`): an encoding other than UTF8, ``session_replication_role``, a
  ``search_path`` without a schema.
- *Retried* (`ReadOnly`): a standby, and a server set to read-only.

They are set by a statement and not in the startup message, because PgBouncer refuses startup
parameters that it does not know.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from eventstore.errors import ReadOnly, Unsuitable
from eventstore.pool import Raw
from eventstore.statements import Statements

_STATEMENTS: Final = Statements("eventstore.sql.connecting")

_NOT_SHOWN: Final = (
    asyncpg.InsufficientPrivilegeError,
    asyncpg.FeatureNotSupportedError,
    asyncpg.UndefinedFunctionError,
    asyncpg.ObjectNotInPrerequisiteStateError,
)

SETTINGS: Final = {
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    # so that any other server reads what COPY writes
    "bytea_output": "hex",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    # a row security policy would hide rows silently; with this it is an error
    "row_security": "off",
    # no timeouts of a role or database: the store sets its own deadlines
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "idle_session_timeout": "0",
    "jit": "off",
    "plan_cache_mode": "auto",
}
"""The settings of each session, in the server's units."""


@dataclass(frozen=True, slots=True)
class Server:
    """The server of a session, from its start to its stop.

    Attributes:
        address: The address at which it was reached.
        started: When it was started, by its own clock in microseconds: no two servers of one
            cluster have the same.
        system: The id that all servers of one cluster share, None where it cannot be read.
        timeline: Raised by each promotion of a standby, None where it cannot be read.
    """

    address: str
    started: datetime
    system: int | None = None
    timeline: int | None = None

    def is_same(self, other: "Server") -> bool:
        """Tell whether it is the same server, not restarted in between."""
        return (self.started, self.system) == (other.started, other.system)

    def follows(self, other: "Server") -> bool:
        """Return whether this history may continue the other's: it is not an older one."""
        if self.system != other.system or self.timeline is None or other.timeline is None:
            return True
        return self.timeline >= other.timeline


async def establish(raw: Raw, address: str, deadline: float) -> Server:
    """Set and check a new session; return the server behind it.

    Args:
        raw: The new connection.
        address: Its address, for messages.
        deadline: Seconds that a statement may take; an idle transaction may last twice that.

    Raises:
        ReadOnly: The server accepts no writes.
        Unsuitable: The store cannot work on this server.
        asyncpg.PostgresError: The server refused a statement.
    """
    milliseconds = round(deadline * 1000)
    wanted = SETTINGS | {
        "statement_timeout": str(milliseconds),
        "idle_in_transaction_session_timeout": str(2 * milliseconds),
    }
    arguments = [list(wanted), list(wanted.values())]
    await raw.fetchval(_STATEMENTS["set_session"], *arguments)
    found = await raw.fetchrow(_STATEMENTS["check_session"], *arguments)
    if found is None:
        raise Unsuitable(f"the database at {address} did not return its session settings")
    _require_writable(found, address)
    _require_suitable(found, address)
    history = await _history(raw)
    return Server(address, found["started"], *history)


async def backend(raw: Raw) -> int:
    """Return the number of the server's process that runs this connection's statements now."""
    return int(await raw.fetchval(_STATEMENTS["backend"]))


def _require_writable(found: asyncpg.Record, address: str) -> None:
    if found["in_recovery"]:
        raise ReadOnly(
            f"the database at {address} is a standby and accepts no writes: connect to the primary, "
            "or name all servers in the connection string"
        )
    if found["read_only"]:
        raise ReadOnly(
            f"the database at {address} accepts no writes: default_transaction_read_only is on, for "
            "the server, the database or the role"
        )


def _require_suitable(found: asyncpg.Record, address: str) -> None:
    where = f"the database at {address} cannot hold the event store"
    if found["server_encoding"] != "UTF8":
        raise Unsuitable(
            f"{where}: its encoding is {found['server_encoding']}, and it must be UTF8; create "
            "another with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
        )
    if found["replication_role"] != "origin":
        raise Unsuitable(
            f"{where}: session_replication_role is {found['replication_role']}, which switches "
            "triggers and foreign keys off; reset it for the role and the database"
        )
    if found["schema"] is None:
        raise Unsuitable(
            f"{where}: search_path names no schema that exists and that this role may use"
        )
    if found["other"]:
        raise Unsuitable(
            f"{where}: these settings did not keep the values set by the session: "
            f"{', '.join(found['other'])}; behind a pooler, use its session mode"
        )


async def _history(raw: Raw) -> tuple[int | None, int | None]:
    """Return cluster and timeline; None on services built on Postgres that do not show them."""
    try:
        row = await raw.fetchrow(_STATEMENTS["history"])
    except _NOT_SHOWN:
        return None, None
    return (None, None) if row is None else (row["system"], row["timeline"])
