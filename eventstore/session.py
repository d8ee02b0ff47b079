"""What every session is set to and checked for before the store uses it.

A server's configuration, a database, a role and a pooler may each have their own defaults:
``ALTER ROLE … SET default_transaction_isolation`` alone breaks the fence of leases. So nothing
is taken as it comes. What a session may change is set here and looked at afterwards; what it may
not change is checked, and refused by name.

- *Set*: `SETTINGS`, the deadlines, ``search_path`` (the schema of the log first, ``pg_temp``
  last), plan switches of a database or role, and ``synchronous_commit`` where it is ``off``,
  because an append that was acknowledged must survive a crash. Any other value of it is the
  operator's choice.
- *Refused* (`Unsuitable`): an encoding other than UTF8, ``session_replication_role``, a
  ``search_path`` without a schema.
- *Waited for* (`ReadOnly`): a standby, and a server set to read-only.

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

_NOT_TOLD: Final = (
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
    # what COPY writes is read by any other server
    "bytea_output": "hex",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    # a policy would hide rows without a word; with this it is an error
    "row_security": "off",
    # timeouts of a role or database: the store's own deadlines are set beside these
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "idle_session_timeout": "0",
    "jit": "off",
    "plan_cache_mode": "auto",
}
"""What each session is set to, in the server's units."""


@dataclass(frozen=True, slots=True)
class Server:
    """The server behind a session, as long as it runs.

    Attributes:
        address: Where it was reached.
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
        """Tell whether the history here may go on from the other's: it is no older one."""
        if self.system != other.system or self.timeline is None or other.timeline is None:
            return True
        return self.timeline >= other.timeline


async def establish(raw: Raw, address: str, deadline: float) -> Server:
    """Set and check a new session; return the server behind it.

    Args:
        raw: The new connection.
        address: Where it leads, for messages.
        deadline: Seconds that a statement may take; an idle transaction may last twice that.

    Raises:
        ReadOnly: The server takes no writes.
        Unsuitable: The store cannot work there.
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
        raise Unsuitable(f"the database at {address} does not say how its session is set")
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
            f"the database at {address} is a standby and takes no writes: connect to the primary, "
            "or name all servers in the connection string"
        )
    if found["read_only"]:
        raise ReadOnly(
            f"the database at {address} takes no writes: default_transaction_read_only is on, for "
            "the server, the database or the role"
        )


def _require_suitable(found: asyncpg.Record, address: str) -> None:
    where = f"the database at {address} cannot hold the event store"
    if found["server_encoding"] != "UTF8":
        raise Unsuitable(
            f"{where}: its encoding is {found['server_encoding']}, and it must be UTF8; make "
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
            f"{where}: these settings do not keep the values that a session sets: "
            f"{', '.join(found['other'])}; behind a pooler, use its session mode"
        )


async def _history(raw: Raw) -> tuple[int | None, int | None]:
    """Return cluster and timeline; None where a service built on Postgres does not tell them."""
    try:
        row = await raw.fetchrow(_STATEMENTS["history"])
    except _NOT_TOLD:
        return None, None
    return (None, None) if row is None else (row["system"], row["timeline"])
