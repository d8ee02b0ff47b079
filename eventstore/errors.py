"""Everything that the store raises.

One tree; nothing of the driver's leaves the package::

    EventStoreError
    ├── AppendRefused              the store is well and says no; nothing was written
    │   ├── WrongExpectedVersion   the stream is not where the caller thought: .actual
    │   └── Conflict               the uid is taken, and not by the same append: .reason
    ├── InvalidEvent               no store could keep this: NUL, lone surrogate, too long
    ├── Deposed                    a fenced write by one who no longer holds the lease
    ├── CheckpointMismatch         a checkpoint of another incarnation, or ahead of the store
    │   └── HistoryLost            the server no longer has events that were committed
    ├── SchemaError
    │   ├── NotMigrated            tables or migrations are missing: run the migration
    │   ├── SchemaTooNew           the database knows migrations that this program does not
    │   ├── MigrationChanged       an applied migration's text is not what was applied
    │   └── ForeignTable           another program has a table of a name that is needed
    ├── ImportRefused              a history cannot be put into this store; nothing was written
    ├── Immutable                  somebody tried to change or remove a recorded event
    ├── InvalidDsn                 the connection string cannot be served: a wrong setting
    ├── Unavailable                no answer, or a lost connection: try again; .ambiguous
    │   ├── NotAdmitted            the server refuses user, password, database or a permission
    │   │   └── Unsuitable         the server or its pooler cannot keep the store's promises
    │   ├── ReadOnly               a standby, or set to read-only: wait for the primary
    │   └── Contended              a deadlock or a lost race; nothing was done: try again now
    └── StatementFailed            the database refused a statement: .sqlstate

``Unavailable.ambiguous`` says whether the work may have been done all the same: the answer to
a commit can be lost after the commit. Appends are idempotent, so the cure is always to append
the same events again; the answer is then the first result, marked as a duplicate.
"""

# ruff: noqa: N818 - these are named for what happened, as the field names it

from collections.abc import Sequence
from typing import Literal
from uuid import UUID


class EventStoreError(Exception):
    """The root of all errors of this package."""


class AppendRefused(EventStoreError):
    """The store refused one append; of its events none was written.

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
            "read the stream again and decide anew",
            stream=stream,
        )
        self.expected = expected
        self.actual = actual


_ENVIRONMENT = ("0A", "25", "26", "2D", "34", "3B", "3F", "42", "55", "F0", "HV", "XX")
"""Classes of SQLSTATE that say nothing about values: features, states, objects, configuration."""

ConflictReason = Literal["body", "stream", "partial"]

_CONFLICTS: dict[ConflictReason, str] = {
    "body": "is stored with another type or data, in stream {stored!r}",
    "stream": "is stored already, with the same body, in stream {stored!r}",
    "partial": "is stored in stream {stored!r}, but not as part of this very batch",
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
    """The event or the append cannot be stored, now or ever."""


class Deposed(EventStoreError):
    """The lease is no longer held under this epoch; the write was not done."""


class CheckpointMismatch(EventStoreError):
    """The checkpoint was taken from another history than this store's.

    A restored backup is the usual reason: positions after the restore mean other events.
    """


class HistoryLost(CheckpointMismatch):
    """The server that answers now lacks events that were committed and read before.

    A standby was promoted that had not received them all, or a backup was restored while
    programs were running.
    """


class SchemaError(EventStoreError):
    """The tables are not the ones that this program was written for."""


class NotMigrated(SchemaError):
    """Migrations are missing.

    Attributes:
        missing: Their names, as ``component/number_name``; empty when not even the list of
            applied migrations exists.
    """

    def __init__(self, message: str, missing: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.missing = tuple(missing)


class SchemaTooNew(SchemaError):
    """The database has migrations that this program does not know: upgrade the program."""


class MigrationChanged(SchemaError):
    """An applied migration differs from the one in this program: never edit applied ones."""


class ForeignTable(SchemaError):
    """A table of another program has a name that this one needs; nothing was changed."""


class Immutable(EventStoreError):
    """Recorded events are never changed nor removed."""


class InvalidDsn(EventStoreError, ValueError):
    """The connection string is wrong, or has a parameter that cannot be served."""


class Unavailable(EventStoreError):
    """The database did not answer, or gave up for a reason that passes; try again.

    Attributes:
        ambiguous: Whether the statement may have taken effect.
    """

    def __init__(self, message: str, *, ambiguous: bool = False) -> None:
        super().__init__(message)
        self.ambiguous = ambiguous


class NotAdmitted(Unavailable):
    """The server is there, but refuses the user, the password, the database or a permission.

    Somebody can mend that while a program runs (a password that was rotated, a grant that was
    revoked), so a program that was admitted once waits for it as for a server that is away. One
    that was never admitted has a wrong setting, and should say so and end.
    """


class Unsuitable(NotAdmitted):
    """The server, the database, the role or a pooler has a property that the store cannot work with.

    Encoding, a setting that cannot be changed by the session, or a pooler that gives each
    transaction another session. The message names it and says what to change.
    """


class Contended(Unavailable):
    """The database undid the transaction in favour of another; run it again."""


class ReadOnly(Unavailable):
    """The server takes no writes: a standby, a former primary, or one that is set to read-only."""


class ImportRefused(EventStoreError):
    """A history is not put into a store: it is not empty, or what arrived is not what was sent."""


class StatementFailed(EventStoreError):
    """The database refused a statement for a reason that trying again does not cure.

    Attributes:
        sqlstate: The five characters of the SQL standard, or None.
    """

    def __init__(self, message: str, *, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate

    @property
    def is_about_values(self) -> bool:
        """Whether the values that were sent are at fault, and are refused whenever they are sent.

        Otherwise the program or the database has to be mended.
        """
        return self.sqlstate is None or not self.sqlstate.startswith(_ENVIRONMENT)
