"""The errors of the store, one tree. No exception of the driver leaves the package.

::

    EventStoreError
    ├── AppendRefused              the store refused the append; nothing was written
    │   ├── WrongExpectedVersion   the stream has another version: .actual
    │   └── Conflict               an event is stored, but not by the same append: .reason
    ├── InvalidEvent               the event can never be stored: NUL, lone surrogate, too long
    ├── Deposed                    a fenced write by a process that no longer holds the lease
    ├── CheckpointMismatch         a checkpoint of another incarnation, or ahead of the store
    │   └── HistoryLost            the server lacks events that were committed
    ├── SchemaError
    │   ├── NotMigrated            tables or migrations are missing: run the migration
    │   ├── SchemaTooOld           the tables are of a release that no migration leads from
    │   ├── SchemaTooNew           the database knows migrations that this program does not
    │   ├── MigrationChanged       an applied migration's text has changed since
    │   └── ForeignTable           another program has a table of a name that is needed
    ├── IndexRefused               an index of the operator's cannot be added now
    ├── ImportRefused              a history cannot be imported into this store; nothing was written
    ├── Immutable                  an attempt to change or delete a recorded event
    ├── InvalidDsn                 the connection string is wrong or unsupported
    ├── Unavailable                no answer, or a lost connection: try again; .ambiguous
    │   ├── NotAdmitted            the server refuses user, password, database or a permission
    │   │   └── Unsuitable         the store cannot work on this server or pooler
    │   ├── ReadOnly               a standby, or set to read-only: wait for the primary
    │   └── Contended              a deadlock or a lost race; nothing was written: try again now
    └── StatementFailed            the database refused a statement: .sqlstate

``Unavailable.ambiguous`` says whether the write may have been committed: the answer to a commit can
be lost. Appends are idempotent, so the remedy is always to append the same events again; the result
is then the first one, marked as a duplicate.
"""

# ruff: noqa: N818 - these are named for what happened, as the field names it

from collections.abc import Sequence
from typing import Literal
from uuid import UUID


class EventStoreError(Exception):
    """The root of all errors of this package."""


class AppendRefused(EventStoreError):
    """The store refused an append; none of its events was written.

    Attributes:
        stream: The stream that the caller named.
    """

    def __init__(self, message: str, *, stream: str) -> None:
        super().__init__(message)
        self.stream = stream


class WrongExpectedVersion(AppendRefused):
    """The stream's version is not the expected one.

    Attributes:
        expected: What the caller expected, in words.
        actual: The stream's version, 0 if it does not exist.
    """

    def __init__(self, *, stream: str, expected: str, actual: int) -> None:
        super().__init__(
            f"stream {stream!r} is at version {actual}, but the append expected {expected}: "
            "read the stream again and decide again",
            stream=stream,
        )
        self.expected = expected
        self.actual = actual


_ENVIRONMENT = ("0A", "25", "26", "2D", "34", "3B", "3F", "42", "55", "F0", "HV", "XX")
"""Classes of SQLSTATE that are not about values: features, states, objects, configuration."""

ConflictReason = Literal["body", "stream", "partial"]

_CONFLICTS: dict[ConflictReason, str] = {
    "body": "is stored with another type or data, in stream {stored!r}",
    "stream": "is stored already, with the same body, in stream {stored!r}",
    "partial": "is stored in stream {stored!r}, but not as part of the same batch",
}


class Conflict(AppendRefused):
    """An event of the append is stored already, and not by the same append.

    Attributes:
        uid: The event that is stored.
        reason: ``body``: with another type or data. ``stream``: the same event in another
            stream. ``partial``: in this stream, but the rest of the batch is not beside it.
        stored_stream: Where it is stored.
    """

    def __init__(
        self, *, stream: str, uid: UUID, reason: ConflictReason, stored_stream: str
    ) -> None:
        what = _CONFLICTS[reason].format(stored=stored_stream)
        super().__init__(
            f"append to stream {stream!r} refused: event {uid} {what}", stream=stream
        )
        self.uid = uid
        self.reason: ConflictReason = reason
        self.stored_stream = stored_stream


class InvalidEvent(EventStoreError, ValueError):
    """The event or the append can never be stored."""


class Deposed(EventStoreError):
    """The lease is no longer held under this epoch; the write was not done."""


class CheckpointMismatch(EventStoreError):
    """The checkpoint belongs to another history than this store's.

    A restored backup is the usual reason: positions after the restore mean other events.
    """


class HistoryLost(CheckpointMismatch):
    """The server that answers now lacks events that were committed and read before.

    A standby was promoted that had not received them all, or a backup was restored while
    programs were running.
    """


class SchemaError(EventStoreError):
    """The schema does not fit this program."""


class NotMigrated(SchemaError):
    """Migrations are missing.

    Attributes:
        missing: Their names, as ``component/number_name``; empty when not even the list of
            applied migrations exists.
    """

    def __init__(self, message: str, missing: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.missing = tuple(missing)


class SchemaTooOld(SchemaError):
    """The tables are those of an early release, from which events are exported and imported."""


class SchemaTooNew(SchemaError):
    """The database has migrations that this program does not know: upgrade the program."""


class MigrationChanged(SchemaError):
    """An applied migration differs from the one in this program: never edit applied ones."""


class ForeignTable(SchemaError):
    """Another program's table has a name that this program needs; nothing was changed."""


class Immutable(EventStoreError):
    """Recorded events cannot be changed or deleted."""


class InvalidDsn(EventStoreError, ValueError):
    """The connection string is wrong, or has an unsupported parameter."""


class Unavailable(EventStoreError):
    """The database did not answer, or failed for a transient reason; try again.

    Attributes:
        ambiguous: Whether the statement may have taken effect.
    """

    def __init__(self, message: str, *, ambiguous: bool = False) -> None:
        super().__init__(message)
        self.ambiguous = ambiguous


class NotAdmitted(Unavailable):
    """The server answers, but refuses the user, the password, the database or a permission.

    An operator can repair that while a program runs (a rotated password, a revoked grant). So a
    program that was connected before retries, as for a server that does not answer. A program that
    was never connected has a wrong setting, and should report it and exit.
    """


class Unsuitable(NotAdmitted):
    """The store cannot work with a property of the server, database, role or pooler.

    For example an encoding, a setting that a session cannot change, or a pooler that assigns a
    session per transaction. The message names it and says what to change.
    """


class Contended(Unavailable):
    """The database rolled the transaction back in favour of another; run it again."""


class ReadOnly(Unavailable):
    """The server accepts no writes: a standby, a former primary, or set to read-only."""


class IndexRefused(EventStoreError):
    """An index cannot be added; the message says why and what to do."""


class ImportRefused(EventStoreError):
    """An import was refused: the store is not empty, or the table does not hold what was sent."""


class StatementFailed(EventStoreError):
    """The database refused a statement; trying again does not help.

    Attributes:
        sqlstate: The five characters of the SQL standard, or None.
    """

    def __init__(self, message: str, *, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate

    @property
    def is_about_values(self) -> bool:
        """Whether the values are the reason, so that they would always be refused.

        Otherwise the program or the database must be repaired.
        """
        return self.sqlstate is None or not self.sqlstate.startswith(_ENVIRONMENT)
