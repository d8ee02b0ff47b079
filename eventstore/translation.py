"""From the driver's errors to ours, once, by SQLSTATE."""

import re

import asyncpg

from eventstore.errors import (
    Contended,
    Deposed,
    EventStoreError,
    Immutable,
    NotAdmitted,
    NotMigrated,
    StatementFailed,
    Unavailable,
)

_PASSING_CLASSES = ("08", "53", "57", "58")
"""Connection exceptions, insufficient resources, operator intervention, system errors."""

_CONTENDED = frozenset({"40001", "40P01"})
"""Serialization failure, deadlock."""

_PASSING = frozenset({"25006", "25P03", "25P04", "55P03"})
"""Read-only (a standby), timeouts of session and transaction, lock not available."""

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
    """Return the error of ours that stands for one met while connecting.

    Args:
        error: What the driver, or the code beside it, raised.
        address: Where the server is, to be named in the message.
    """
    match error:
        case asyncpg.PostgresError() if (error.sqlstate or "").startswith(_CLOSED):
            return NotAdmitted(
                f"the database at {address} refuses the connection: {error}; look at the "
                "user, the password and the database's name",
            )
        case asyncpg.PostgresError() if error.sqlstate == _NOT_ACCEPTING:
            return Unavailable(
                f"the database at {address} accepts no connections: {error}; 'alter database … "
                "allow_connections true' admits them again"
            )
        case TimeoutError():
            return Unavailable(f"the database at {address} did not answer in time")
        case OSError():
            return Unavailable(f"the database at {address} cannot be reached: {error}")
        case _:
            return translate(error, ambiguous=False)


def translate(error: Exception, *, ambiguous: bool) -> Exception:
    """Return the error of ours that stands for one of the driver's, or the error itself.

    Args:
        error: What the driver, or the code beside it, raised.
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
                f"{message}: does the database's user have the role ntbridge_app?"
            )
        case _ if state in _MISSING:
            return NotMigrated(f"{message}: has the database been migrated?")
        case _ if state in _CONTENDED:
            return Contended(message)
        case _ if state in _PASSING or state.startswith(_PASSING_CLASSES):
            # A statement that the living server itself gave up was rolled back by it; only a
            # server that is going down may have committed before the answer was lost.
            lost = ambiguous and state.startswith(("08", "57P", "58"))
            return Unavailable(message, ambiguous=lost)
        case _:
            return StatementFailed(f"{message} (SQLSTATE {state})", sqlstate=state)


def _without_values(error: Exception) -> str:
    """Take the values of rows and arguments out of an error; return its message.

    DETAIL shows the failing row, CONTEXT the line of a COPY, and the message of a data exception
    the text that cannot be read. The error stays the cause of ours: tracebacks and logs show it.
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
