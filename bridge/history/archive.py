"""A whole history in a file: exported at Postgres' own speed, resumable, checked before it counts.

The format is `bridge.history.archive_file`'s. The set is fixed when the export begins: everything up
to ``through``, where the log was final. The last line is written when all rows are on the disk; a
file without it is unfinished, and the export continues after its last whole row, once the rows that
are there have been compared with the store.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from bridge.history.archive_file import (
    FORMAT,
    VERSION,
    Archive,
    ArchiveRefused,
    Head,
    Tail,
    line_of,
    read,
)
from eventstore.copy_in import restore
from eventstore.copy_out import COLUMNS
from eventstore.database import Connection, Database
from eventstore.store import EventStore
from eventstore.subscription import Checkpoints

_STEP = 20_000
"""Positions that are exported at one time."""
_BLOCK = 1 << 20


async def export(
    store: EventStore, path: Path, *, resume: bool, advanced: Callable[[int], None]
) -> Archive:
    """Write the history to a file, or go on with one that is unfinished.

    Args:
        store: The event store.
        path: The file; it must not be there, or with ``resume`` be an unfinished one.
        resume: Whether to go on with it.
        advanced: Told of how many events more are there.

    Raises:
        ArchiveRefused: The file is in the way, of another history, or cannot be written.
        Unavailable: The database is away; the file can be gone on with.
    """
    try:
        head, so_far = await _begun(store, path, resume=resume)
        if so_far.tail is not None:
            so_far.check()
            return so_far
        advanced(so_far.events)
        writer = _Writer(path, so_far)
        try:
            for start in range(so_far.last, head.through, _STEP):
                through = min(start + _STEP, head.through)
                count = await store.export(
                    writer.take, after=start, through=through, fmt="text"
                )
                writer.events += count
                advanced(count)
            await asyncio.to_thread(writer.finish)
        finally:
            await asyncio.to_thread(writer.close)
        return await asyncio.to_thread(read, path)
    except OSError as error:
        raise ArchiveRefused(f"{path}: {error.strerror}") from error


async def bring_in(
    database: Database,
    path: Path,
    archive: Archive,
    *,
    keep_incarnation: bool,
    relayed: str,
    advanced: Callable[[int], None],
) -> None:
    """Put a history into an empty store, in one transaction that checks itself.

    What was a result then is taken for relayed: it is history, and not sent out once more.

    Args:
        database: The store's, as the owner of its tables.
        path: The file.
        archive: What is in it, as `read` found.
        keep_incarnation: For a store that was moved; else a new incarnation begins.
        relayed: The name of the relay's checkpoint.
        advanced: Told of how many bytes more were read.

    Raises:
        ArchiveRefused: The file is unfinished, damaged, or of another format.
        ImportRefused: The store is not empty, or this role may not do it.
        Unavailable: The database was lost.
    """
    tail = archive.check()
    if archive.head.columns != COLUMNS:
        raise ArchiveRefused(
            "the file was written by another release, whose events have other columns: import "
            "it with that one, then migrate"
        )
    checkpoints = Checkpoints(database)

    async def within(connection: Connection) -> None:
        await checkpoints.save(relayed, archive.head.through, connection=connection)

    await restore(
        database,
        _rows(path, archive, advanced),
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
            raise ArchiveRefused(f"{path} is of another store, or of another incarnation of it")
        if archive.tail is None:
            await _check_so_far(store, path, archive)
        return archive.head, archive
    head = Head(
        format=FORMAT,
        version=VERSION,
        incarnation=await store.incarnation(),
        through=await store.settled(),
        columns=COLUMNS,
    )
    try:
        await asyncio.to_thread(_create, path, line_of(head))
    except FileExistsError:
        raise ArchiveRefused(
            f"{path} is there already: name another file, or go on with it (--resume)"
        ) from None
    return head, await asyncio.to_thread(read, path)


async def _check_so_far(store: EventStore, path: Path, archive: Archive) -> None:
    """See that the part that is there is the store's: no digest covers it yet."""
    head, hasher = archive.head, hashlib.sha256()

    async def take(chunk: bytes) -> None:
        hasher.update(chunk)

    if head.columns != COLUMNS or head.through > await store.settled():
        raise ArchiveRefused(
            f"{path} cannot be continued: its first line is damaged, or of another release; "
            "export to another file"
        )
    found = await store.export(take, after=0, through=archive.last, fmt="text")
    if (found, hasher.hexdigest()) != (archive.events, archive.rows_sha256):
        raise ArchiveRefused(
            f"{path} cannot be continued: it was changed or damaged, its {archive.events} rows "
            f"are not the store's {found} up to position {archive.last}; export to another file"
        )


def _create(path: Path, line: bytes) -> None:
    with path.open("xb") as file:
        file.write(line)


class _Writer:
    """Appends rows behind those that are there, and hashes on."""

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
        """Append a part of the stream."""
        self._hasher.update(chunk)
        self._file.write(chunk)

    def finish(self) -> None:
        """Write the last line, when all rows are on the disk."""
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
