"""Archive: export a whole history to a file by COPY, and import it into an empty store.

`bridge.history.archive_file` defines the format. The set of events is fixed when the export begins:
all up to ``through``, where the log was final. The last line is written when all rows are on disk.
A file without it is unfinished: the export compares its rows with the store, then continues after
the last whole row.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

from bridge.history.archive_file import (
    COLUMNS_OF,
    FORMAT,
    VERSION,
    Archive,
    ArchiveRefused,
    Head,
    Note,
    Tail,
    line_of,
    read,
)
from bridge.history.archive_notes import begin_watch, import_notes, notes_of
from eventstore.copy_in import restore
from eventstore.database import Connection, Database
from eventstore.store import EventStore
from eventstore.subscription import Checkpoints

_STEP = 20_000
_BLOCK = 1 << 20


async def export(
    store: EventStore,
    path: Path,
    *,
    resume: bool,
    advanced: Callable[[int], None],
    step: int = _STEP,
) -> Archive:
    """Write the history to a file, or continue an unfinished file.

    Args:
        store: The event store.
        path: The file. It must not exist, or with ``resume`` must be an unfinished export.
        resume: Whether to continue the file.
        advanced: Called with the number of events newly written.
        step: Positions that one COPY exports.

    Raises:
        ArchiveRefused: The file exists, is of another history, or cannot be written.
        Unavailable: The database cannot be reached; the file can be continued.
    """
    try:
        unchanged = await begin_watch(store.database)
        head, so_far = await _begun(store, path, resume=resume)
        if so_far.tail is not None:
            so_far.check()
            return so_far
        advanced(so_far.events)
        writer = _Writer(path, so_far)
        try:
            for start in range(so_far.last, head.through, step):
                through = min(start + step, head.through)
                count = await store.export(
                    writer.take, after=start, through=through, fmt="text"
                )
                writer.events += count
                advanced(count)
            notes = await notes_of(store.database)
            await unchanged()
            await asyncio.to_thread(writer.finish, notes)
        finally:
            await asyncio.to_thread(writer.close)
        return await asyncio.to_thread(read, path)
    except OSError as error:
        raise ArchiveRefused(f"{path}: {error.strerror}") from error


async def import_history(
    database: Database,
    path: Path,
    archive: Archive,
    *,
    keep_incarnation: bool,
    relayed: str,
    advanced: Callable[[int], None],
) -> None:
    """Import a history into an empty store, in one transaction that checks what it wrote.

    The relay's checkpoint is set to the end, so that imported result events are not published again.

    Args:
        database: The store's database, connected as the owner of its tables.
        path: The file.
        archive: Its content, from `read`.
        keep_incarnation: Whether to keep the incarnation, for a store that was moved; else a new one
            begins.
        relayed: The name of the relay's checkpoint.
        advanced: Called with the number of bytes newly read.

    Raises:
        ArchiveRefused: The file is unfinished, damaged, or of another format.
        ImportRefused: The store is not empty, or this role has no right to import.
        Unavailable: The database was lost.
    """
    tail = archive.check()
    if archive.head.columns != COLUMNS_OF[archive.head.version]:
        raise ArchiveRefused(
            "the file was written by a release whose events have other columns: import it with that "
            "release"
        )
    checkpoints = Checkpoints(database)

    async def within(connection: Connection) -> None:
        await checkpoints.save(relayed, archive.head.through, connection=connection)
        await import_notes(connection, archive.notes, moved=keep_incarnation)

    await restore(
        database,
        _rows(path, archive, advanced),
        columns=archive.head.columns,
        events=tail.events,
        digest=archive.rows_sha256,
        last=archive.head.through,
        incarnation=archive.head.incarnation if keep_incarnation else None,
        within=within,
    )


async def _begun(store: EventStore, path: Path, *, resume: bool) -> tuple[Head, Archive]:
    if resume:
        archive = await asyncio.to_thread(read, path)
        if archive.head.incarnation != await store.incarnation():
            raise ArchiveRefused(
                f"{path} is of another store, or of another incarnation of this store: export to "
                "another file"
            )
        if archive.tail is None:
            await _check_so_far(store, path, archive)
        return archive.head, archive
    head = Head(
        format=FORMAT,
        version=VERSION,
        incarnation=await store.incarnation(),
        through=await store.settled(),
        columns=COLUMNS_OF[VERSION],
    )
    try:
        await asyncio.to_thread(_create, path, line_of(head))
    except FileExistsError:
        raise ArchiveRefused(
            f"{path} already exists: name another file, or continue it (--resume)"
        ) from None
    return head, await asyncio.to_thread(read, path)


async def _check_so_far(store: EventStore, path: Path, archive: Archive) -> None:
    """Check the existing rows against the store: an unfinished file has no digest."""
    head, hasher = archive.head, hashlib.sha256()

    async def take(chunk: bytes) -> None:
        hasher.update(chunk)

    if head.columns != COLUMNS_OF[VERSION] or head.through > await store.settled():
        raise ArchiveRefused(
            f"{path} cannot be continued: its first line is damaged or from another release; "
            "export to another file"
        )
    found = await store.export(take, after=0, through=archive.last, fmt="text")
    if (found, hasher.hexdigest()) != (archive.events, archive.rows_sha256):
        raise ArchiveRefused(
            f"{path} cannot be continued: it was changed or damaged, or a removal took data since; its "
            f"{archive.events} rows are not the store's {found} up to position {archive.last}; export "
            "to another file"
        )


def _create(path: Path, line: bytes) -> None:
    with path.open("xb") as file:
        file.write(line)


class _Writer:
    """Appends rows after the existing ones and continues their hash."""

    def __init__(self, path: Path, so_far: Archive) -> None:
        self._file = path.open("r+b", buffering=_BLOCK)
        self._hasher = hashlib.sha256()
        left = so_far.end
        while left:
            block = self._file.read(min(_BLOCK, left))
            self._hasher.update(block)
            left -= len(block)
        self._file.truncate(so_far.end)
        self._file.seek(so_far.end)
        self.events = so_far.events

    async def take(self, chunk: bytes) -> None:
        """Append a chunk of the COPY stream."""
        self._hasher.update(chunk)
        self._file.write(chunk)

    def finish(self, notes: Sequence[Note]) -> None:
        """Write the notes, and the last line after all others are on disk."""
        for note in notes:
            line = line_of(note)
            self._hasher.update(line)
            self._file.write(line)
        self._file.flush()
        os.fsync(self._file.fileno())
        tail = Tail(events=self.events, sha256=self._hasher.hexdigest())
        self._file.write(line_of(tail))
        self._file.flush()
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


async def _rows(
    path: Path, archive: Archive, advanced: Callable[[int], None]
) -> AsyncIterator[bytes]:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        file.seek(archive.begin)
        left = archive.end - archive.begin
        while left:
            block = await asyncio.to_thread(file.read, min(_BLOCK, left))
            if not block:
                return
            left -= len(block)
            advanced(len(block))
            yield block
    finally:
        await asyncio.to_thread(file.close)
