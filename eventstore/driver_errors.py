"""Translation of the driver's errors into the store's, by SQLSTATE."""

import re

import asyncpg

from eventstore.errors import (
    Contended,
    Deposed,
    EventStoreError,
    Immutable,
    InvalidDsn,
    NotAdmitted,
    NotMigrated,
    ReadOnly,
    StatementFailed,
    Unavailable,
    Unsuitable,
)

_PASSING_CLASSES = ("08", "53", "57", "58")
"""Connection exceptions, insufficient resources, operator intervention, system errors."""

_CONTENDED = frozenset({"40001", "40P01"})
"""Serialization failure, deadlock."""

_PASSING = frozenset({"25P03", "25P04", "55P03", "EV003"})
"""Timeouts of session and transaction, lock not available, another server than expected."""

READ_ONLY = "25006"
"""A standby, or a server, database or role that was set to read-only."""

_RETRIED = _CONTENDED | _PASSING | {READ_ONLY}

_MISSING = frozenset({"42P01", "42883", "42703", "3F000"})
"""Undefined table, function, column, schema."""


_ARGUMENT = re.compile(r"query argument (\$\d+)")

_CLOSED = ("28", "3D", "42501")
"""Invalid authorization, no such database, no right to connect to it."""

_NOT_ACCEPTING = "55000"
"""Object not in prerequisite state: while connecting, a database with ``allow_connections`` off."""

_DENIED = "42501"
"""Insufficient privilege."""


def translate_connecting(error: Exception, address: str) -> Exception:
    """Return the store's error for one raised while connecting.

    Args:
        error: The exception that the driver, or code around it, raised.
        address: The server's address, for the message.
    """
    match error:
        case asyncpg.PostgresError() if (error.sqlstate or "").startswith(_CLOSED):
            return NotAdmitted(
                f"the database at {address} refuses the connection: {error}; check the "
                "user, the password and the database's name",
            )
        case asyncpg.PostgresError() if error.sqlstate == _NOT_ACCEPTING:
            return Unavailable(
                f"the database at {address} accepts no connections: {error}; 'alter database … "
                "allow_connections true' allows them again"
            )
        case asyncpg.ProtocolViolationError():  # PgBouncer raises it for unknown startup parameters
            return Unsuitable(
                f"the server at {address} refuses the session: {error}; let the pooler ignore the "
                "parameter (ignore_startup_parameters), or remove it from the connection string"
            )
        case asyncpg.ClientConfigurationError():
            return InvalidDsn(f"the connection string of the database: {error}")
        case OSError():
            late = isinstance(error, TimeoutError)
            words = "did not answer in time" if late else f"cannot be reached: {error}"
            return Unavailable(f"the database at {address} {words}")
        case _:
            return translate(error, ambiguous=False)


def translate(error: Exception, *, ambiguous: bool) -> Exception:
    """Return the store's error for one of the driver's; other errors are returned unchanged.

    Args:
        error: The exception that the driver, or code around it, raised.
        ambiguous: Whether the statement may have taken effect if its answer was lost.
    """
    match error:
        case asyncpg.PostgresError():
            return _from_server(error, ambiguous=ambiguous)
        case asyncpg.InterfaceError() | asyncpg.InternalClientError():
            if isinstance(error, ValueError):  # an argument that the driver cannot encode
                return StatementFailed(_without_values(error))
            return Unavailable(f"the connection failed: {error}", ambiguous=ambiguous)
        case TimeoutError():
            return Unavailable("the database did not answer in time", ambiguous=ambiguous)
        case OSError():
            return Unavailable(f"the database was lost: {error}", ambiguous=ambiguous)
        case _:
            return error


def _from_server(error: asyncpg.PostgresError, *, ambiguous: bool) -> EventStoreError:
    state = error.sqlstate or ""
    message = _without_values(error)
    match state:
        case "EV001" | "EV002":
            return Immutable(message) if state == "EV001" else Deposed(message)
        case _ if state == _DENIED:
            return NotAdmitted(
                f"{message}: grant the database's user its role (ntbridge_app for a daemon, "
                "ntbridge_console for a console that acts)"
            )
        case _ if state in _MISSING:
            return NotMigrated(f"{message}: migrate the database")
        case _ if state in _RETRIED or state.startswith(_PASSING_CLASSES):
            return _passing(state, message, ambiguous=ambiguous)
        case _:
            return StatementFailed(f"{message} (SQLSTATE {state})", sqlstate=state)


def _without_values(error: Exception) -> str:
    """Remove the values of rows and arguments from an error; return its message.

    DETAIL shows the failing row, CONTEXT the line of a COPY, and the message of a data exception
    the text that cannot be read. The error stays the cause of the store's error, so tracebacks and
    logs show it.
    """
    message = str(error.args[0]) if error.args else ""
    if (argument := _ARGUMENT.search(message)) is not None:
        message = f"argument {argument[1]} of the statement cannot be encoded"
    elif (getattr(error, "sqlstate", None) or "").startswith("22"):
        message = message.partition(': "')[0]
    vars(error).update(detail=None, context=None)
    error.args = (message,)
    hint = vars(error).get("hint")
    return f"{message} ({hint})" if hint else message


def _passing(state: str, message: str, *, ambiguous: bool) -> Unavailable:
    if state in _CONTENDED:
        return Contended(message)
    if state == READ_ONLY:
        return ReadOnly(f"the database accepts no writes: {message}")
    # A running server that ended a statement has rolled it back; only a server that shuts down may
    # have committed before the answer was lost.
    lost = ambiguous and state.startswith(("08", "57P", "58"))
    return Unavailable(message, ambiguous=lost)
