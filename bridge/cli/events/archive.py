"""``ntbridge events export`` and ``import``: the whole history, to a file and back."""

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
    """Write the whole history to a file, with its count and digest.

    Interrupted, it goes on with --resume. Only events are written: dispatches, deliveries and
    dead letters are the daemon's account of them, and stay in the database's own backups.

    Parameters
    ----------
    file:
        The file to write; it must not be there.
    resume:
        Go on with a file whose export was interrupted.
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
                note(f"interrupted; go on with: ntbridge events export {file} --resume")
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
    """Put an exported history into an empty store, positions kept; all of it or nothing.

    The file is checked by its count and digest, before and, inside the transaction, after.
    Connect as the owner of the tables. The results in it are taken for relayed, and not published
    again ('ntbridge verify --rebuild' does that).

    Parameters
    ----------
    file:
        A file that 'ntbridge events export' has written.
    keep_incarnation:
        The store is moved here and goes on here alone. By default it is a copy, and begins an
        incarnation of its own: what it relays must not go to the original's stream.
    dry_run:
        Check the file, and change nothing.
    """
    from bridge.cli.progress import Bar
    from bridge.history.archive import bring_in
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
            await bring_in(
                database,
                file,
                archive,
                keep_incarnation=keep_incarnation,
                relayed=RELAY_CHECKPOINT,
                advanced=bar.step,
            )
        kind = "kept" if keep_incarnation else "new"
        note(
            f"{tail.events} events are in; the incarnation is {await store.incarnation()} ({kind})"
        )
    return exits.OK
