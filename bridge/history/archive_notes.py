"""The notes of an exported history: removals, the parts of their archives, and deleted rows."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import msgspec

from bridge.history.archive_file import ArchiveRefused, Kind, Note
from bridge.sql import STATEMENTS
from eventstore.appending import STATEMENTS as STORE_STATEMENTS
from eventstore.database import Connection, Database

_EXPORTED: Final[tuple[tuple[Kind, str], ...]] = (
    ("removal", STORE_STATEMENTS["export_removals"]),
    ("part", STATEMENTS["export_parts"]),
    ("deleted", STORE_STATEMENTS["export_deleted"]),
)


async def begin_watch(database: Database) -> Callable[[], Awaitable[None]]:
    """Return what refuses the export if a removal noted progress since now.

    Raises:
        Unavailable: The database cannot be reached.
    """

    async def marks() -> list[tuple[object, ...]]:
        rows = await database.fetch(STORE_STATEMENTS["removal_marks"])
        return [tuple(row) for row in rows]

    before = await marks()

    async def unchanged() -> None:
        if await marks() != before:
            raise ArchiveRefused(
                "a removal took data while the history was exported: export it again to another file"
            )

    return unchanged


async def notes_of(database: Database) -> list[Note]:
    """Return the notes of a store.

    Raises:
        Unavailable: The database cannot be reached.
    """
    return [
        Note(note=note, row=msgspec.Raw(row["row"].encode()))
        for note, statement in _EXPORTED
        for row in await database.fetch(statement)
    ]


async def import_notes(connection: Connection, notes: Sequence[Note], *, moved: bool) -> None:
    """Store notes, removals first, in the caller's transaction.

    Args:
        connection: The transaction.
        notes: The notes of a file, in their order.
        moved: Whether the store was moved. A copy does not get the archives: the original may change
            them, and so would the copy.
    """
    for each in notes:
        row = bytes(each.row).decode()
        if each.note == "removal":
            await connection.execute(STORE_STATEMENTS["import_removal"], row, moved)
        elif each.note == "deleted":
            await connection.execute(STORE_STATEMENTS["import_deleted"], row)
        elif moved:
            await connection.execute(STATEMENTS["import_part"], row)
    await connection.execute(STORE_STATEMENTS["set_next_removal"])
