"""``ntbridge events export`` and ``import``: the history to a file and back."""

import asyncio
from pathlib import Path

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect, note


async def export_command(
    file: Path,
    *,
    resume: bool = False,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Write all events to a file, with their count and digest.

    Continue an interrupted export with --resume. Only events are exported. Dispatches, deliveries
    and dead letters are not: back up the database for them.

    Parameters
    ----------
    file:
        The file to write; it must not exist.
    resume:
        Continue an interrupted export into this file.
    """
    from bridge.cli.progress import Bar
    from bridge.history.archive import export
    from bridge.sql.storage import open_store
    from eventstore.errors import EventStoreError

    async with open_store(connect.settings(), "ntbridge events export") as (_, store):
        with Bar("exported", await store.count()) as bar:
            try:
                done = await export(store, file, resume=resume, advanced=bar.step)
            except (asyncio.CancelledError, EventStoreError):
                note(f"interrupted; continue with: ntbridge events export {file} --resume")
                raise
    note(f"{done.events} events, up to position {done.head.through}, SHA-256 {done.sha256}")
    return exits.OK


async def import_command(
    file: Path,
    *,
    keep_incarnation: bool = False,
    dry_run: bool = False,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Import an exported history into an empty store, in one transaction; positions are kept.

    Count and digest are checked before the import and again inside the transaction. Connect as
    the owner of the tables. Result events count as relayed and are not published again
    ('ntbridge verify --rebuild' publishes them).

    Parameters
    ----------
    file:
        A file of 'ntbridge events export'.
    keep_incarnation:
        The store is moved: the original is not used any more. By default the import is a copy
        with a new incarnation, which must not relay to the stream of the original.
    dry_run:
        Check the file only.
    """
    from bridge.cli.progress import Bar
    from bridge.history.archive import import_history
    from bridge.history.archive_file import read
    from bridge.lifecycle.lease_names import RELAY_CHECKPOINT
    from bridge.sql.storage import open_store

    archive = await asyncio.to_thread(read, file)
    tail = archive.check()
    note(f"{tail.events} events, up to position {archive.head.through}, SHA-256 {tail.sha256}")
    if dry_run:
        return exits.OK
    async with open_store(connect.settings(), "ntbridge events import") as (database, store):
        with Bar("bytes", archive.end - archive.begin) as bar:
            await import_history(
                database,
                file,
                archive,
                keep_incarnation=keep_incarnation,
                relayed=RELAY_CHECKPOINT,
                advanced=bar.step,
            )
        kind = "kept" if keep_incarnation else "new"
        note(
            f"{tail.events} events imported; the incarnation is {await store.incarnation()} ({kind})"
        )
    return exits.OK
