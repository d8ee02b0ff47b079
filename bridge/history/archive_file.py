"""The archive file: the format of an exported history, and a reader that checks it.

::

    {"format": "ntbridge-events", "version": 3, "incarnation": …, "through": …, "columns": […]}
    1 <tab> … one row a line, as Postgres' COPY writes text …
    {"note": "removal", "row": {…}} … one line each: removals, parts of archives, deleted rows …
    {"events": …, "sha256": …}

Files of version 2, from releases that removed nothing, have no column ``removal`` and no notes.

The digest covers all lines before the last one, byte for byte. Positions rise from row to row up
to ``through``. A file without the last line is unfinished; an incomplete line at its end does not
count. Any other deviation is damage, and the file is refused.
"""

import hashlib
import re
from pathlib import Path
from typing import Annotated, BinaryIO, Final, Literal
from uuid import UUID

import msgspec

from bridge.errors import BridgeError
from eventstore.copy_out import COLUMNS, EARLY_COLUMNS
from eventstore.validity import MAX_EVENT_BYTES

FORMAT = "ntbridge-events"
VERSION = 3
COLUMNS_OF: Final = {2: EARLY_COLUMNS, VERSION: COLUMNS}
"""By version that can be read: the columns of the rows."""

_MAX_HEAD_BYTES = 64 * 1024
_MAX_LINE_BYTES = 4 * MAX_EVENT_BYTES
"""For a row: data is written in hexadecimal, control characters are escaped."""
_POSITION = re.compile(rb"[1-9]\d{0,18}\t")
_MAX_POSITION = 2**63 - 1

Position = Annotated[int, msgspec.Meta(ge=0, le=_MAX_POSITION)]


class ArchiveRefused(BridgeError):  # noqa: N818 - names what is the case
    """An archive file cannot be written or read; the message says why and what to do."""


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """The first line."""

    format: str
    version: int
    incarnation: UUID
    through: Position
    columns: tuple[str, ...]


Kind = Literal["removal", "part", "deleted"]


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """A line after the rows: what removals took from them.

    Attributes:
        note: A removal, a part of the archive of one, or positions of rows that were deleted.
        row: The row of the table, as JSON.
    """

    note: Kind
    row: msgspec.Raw


class Tail(msgspec.Struct, frozen=True, kw_only=True):
    """The last line."""

    events: int
    sha256: str


class Archive(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a file.

    Attributes:
        head: The first line.
        tail: The last line; None when the file is unfinished.
        events: The number of whole rows.
        notes: The lines after the rows.
        sha256: The digest of all lines but the last one.
        rows_sha256: The digest of the rows alone, as the table would export them.
        last: The position of the last row; 0 if there is none.
        begin: The byte offset of the first row.
        end: The byte offset after the last row.
    """

    head: Head
    tail: Tail | None
    notes: tuple[Note, ...]
    events: int
    sha256: str
    rows_sha256: str
    last: int
    begin: int
    end: int

    def check(self) -> Tail:
        """Return the last line.

        Raises:
            ArchiveRefused: There is none, or it contradicts the rows.
        """
        if self.tail is None:
            raise ArchiveRefused("the export is unfinished: finish it first (--resume)")
        if (self.events, self.sha256) != (self.tail.events, self.tail.sha256):
            raise ArchiveRefused(
                f"the file was changed or damaged: it holds {self.events} events with SHA-256 "
                f"{self.sha256}, but its last line says {self.tail.events} with {self.tail.sha256}"
            )
        return self.tail


def line_of(part: Head | Note | Tail) -> bytes:
    """Return a line of a file that is not a row."""
    return msgspec.json.encode(part) + b"\n"


def read(path: Path) -> Archive:
    """Read a whole file and return its content.

    Raises:
        ArchiveRefused: It is not an archive, is damaged, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            return _read(path, file)
    except OSError as error:
        raise ArchiveRefused(f"{path} cannot be read: {error.strerror}") from error


def _read(path: Path, file: BinaryIO) -> Archive:
    first = file.readline(_MAX_HEAD_BYTES)
    head = _head_of(path, first)
    rows, whole = hashlib.sha256(), hashlib.sha256(first)
    events = last = 0
    end = len(first)
    tail: Tail | None = None
    notes: list[Note] = []
    while (line := file.readline(_MAX_LINE_BYTES)).endswith(b"\n"):
        if line.startswith(b'{"note"'):
            notes.append(_note_of(path, line))
            whole.update(line)
            continue
        if line.startswith(b"{"):
            tail = _tail_of(path, line)
            break
        if notes:
            raise ArchiveRefused(f"{path} is damaged: a row follows its notes")
        last = _next_position(path, line, events + 1, last, head)
        rows.update(line)
        whole.update(line)
        events += 1
        end += len(line)
    if tail is not None and file.read(1):
        raise ArchiveRefused(f"{path} is damaged: data follows its last line")
    if len(line) == _MAX_LINE_BYTES:
        raise ArchiveRefused(f"{path} is damaged: the line after row {events} is too long")
    return Archive(
        head=head,
        tail=tail,
        notes=tuple(notes),
        events=events,
        sha256=whole.hexdigest(),
        rows_sha256=rows.hexdigest(),
        last=last,
        begin=len(first),
        end=end,
    )


def _head_of(path: Path, line: bytes) -> Head:
    try:
        head = msgspec.json.decode(line, type=Head)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ArchiveRefused(f"{path} is not an exported history") from None
    if head.format != FORMAT or head.version not in COLUMNS_OF:
        versions = " and ".join(map(str, COLUMNS_OF))
        raise ArchiveRefused(
            f"{path} is a {head.format!r} of version {head.version}; this release reads "
            f"{FORMAT!r} of versions {versions}: export the history with this one"
        )
    if line != line_of(head):
        raise ArchiveRefused(f"{path} is damaged: its first line was changed")
    return head


def _note_of(path: Path, line: bytes) -> Note:
    try:
        return msgspec.json.decode(line, type=Note)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise ArchiveRefused(f"{path} is damaged: a note after its rows was changed") from None


def _tail_of(path: Path, line: bytes) -> Tail:
    try:
        tail = msgspec.json.decode(line, type=Tail)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        tail = None
    if tail is None or line != line_of(tail):
        raise ArchiveRefused(f"{path} is damaged: its last line was changed")
    return tail


def _next_position(path: Path, line: bytes, row: int, last: int, head: Head) -> int:
    """Return the position of a row, after checking that it follows the row before."""
    match = _POSITION.match(line)
    if match is None or line.count(b"\t") != len(head.columns) - 1:
        raise ArchiveRefused(f"{path} is damaged: row {row} is not an event")
    position = int(match[0])
    if not last < position <= head.through:
        raise ArchiveRefused(
            f"{path} is damaged: row {row} has position {position}; it follows position {last}, "
            f"and the history ends at {head.through}"
        )
    return position
