"""Indexes that an operator adds to the events, for what he often searches.

The table comes with few indexes, because each one costs every append. What a filter says about other
attributes (`SEARCHABLE`) is served by an index of the operator's as soon as it exists: the filters
of ``event_matches`` are written so that the planner finds it. An index of any other expression
serves SQL of the operator's own.

An index is built while appends go on (``CREATE INDEX CONCURRENTLY``), which waits for all open
transactions. If the build ends before its time, Postgres leaves an *invalid* index behind, which
costs appends and serves nothing. `Indexes.all` shows it, and `Indexes.add` drops it and builds again.
"""

import hashlib
import re
from typing import Final, Literal

import msgspec

from eventstore.appending import STATEMENTS
from eventstore.database import Connection, Database
from eventstore.errors import IndexRefused, NotMigrated, StatementFailed

State = Literal["valid", "invalid", "building"]

SEARCHABLE: Final = {
    "source": "hashtextextended(envelope ->> 'source', 0)",
    "subject": "hashtextextended(envelope ->> 'subject', 0)",
    "topic": "hashtextextended(envelope ->> 'topic', 0)",
    "tenant": "hashtextextended(envelope ->> 'tenant', 0)",
    "category": "hashtextextended(split_part(stream, '-', 1), 0)",
    "causation-id": "hashtextextended(envelope -> 'extensions' ->> 'causationid', 0)",
}
"""The attributes that filters ask for and no index serves, and what an index of each holds."""

_PREFIX: Final = "events_added_"
_MAX_NAME_BYTES: Final = 63


class AddedIndex(msgspec.Struct, frozen=True, kw_only=True):
    """An index that an operator added.

    Attributes:
        name: Its name in the database.
        of: The attribute or the expression.
        state: ``building`` while a build goes on; ``invalid`` after a build that did not end.
        size: In bytes.
        scans: How often it was used since the statistics were reset.
    """

    name: str
    of: str
    state: State
    size: int
    scans: int


class Indexes:
    """The operator's indexes of one store.

    Args:
        dsn: The connection string of the owner of the tables.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    async def all(self) -> list[AddedIndex]:
        """Return the added indexes, by name.

        Raises:
            Unavailable: The database cannot be reached.
        """
        database = await self._open()
        try:
            async with database.connection() as connection:
                return await _added(connection)
        finally:
            await database.close()

    async def add(self, what: str) -> tuple[AddedIndex, bool]:
        """Build an index of an attribute (`SEARCHABLE`) or an SQL expression over the columns of events.

        Returns the index, and whether it was built now; one that is there is left alone. What a build
        that did not end has left is dropped first. Appends and reads go on meanwhile.

        Raises:
            IndexRefused: It is being built by another session, or the expression is wrong or cannot be
                indexed.
            NotAdmitted: This role does not own the table.
            Unavailable: The database was lost; add it again.
        """
        name = _name_of(what)
        database = await self._open()
        try:
            async with database.connection() as connection:
                known = await _find(connection, what)
                if known is not None and known.state == "valid":
                    return known, False
                if known is not None and known.state == "building":
                    raise IndexRefused(
                        f"the index of {what!r} is being built by another session: wait for it "
                        "('ntbridge store index ls' shows it)"
                    )
                if known is not None:
                    await self._run(connection, "drop_index", name)
                await self._build(connection, name, what)
                built = await _find(connection, what)
        finally:
            await database.close()
        if built is None:
            raise IndexRefused(f"the index of {what!r} was dropped by another session")
        return built, True

    async def drop(self, what: str) -> bool:
        """Drop the index of an attribute or expression, or with this name; return whether there was one.

        Raises:
            NotAdmitted: This role does not own the table.
            Unavailable: The database was lost; drop it again.
        """
        database = await self._open()
        try:
            async with database.connection() as connection:
                known = await _find(connection, what)
                if known is None:
                    return False
                await self._run(connection, "drop_index", known.name)
        finally:
            await database.close()
        return True

    async def _build(self, connection: Connection, name: str, what: str) -> None:
        expression = SEARCHABLE.get(what, f"({what})")
        try:
            await self._run(connection, "create_index", name, expression, what)
        except (StatementFailed, NotMigrated) as error:
            await self._run(
                connection, "drop_index", name
            )  # what a value that did not fit has left
            raise IndexRefused(f"{what!r} cannot be indexed: {error.__cause__}") from error

    async def _run(self, connection: Connection, statement: str, *args: str) -> None:
        """Run statements that the database composes, each by itself: they allow no transaction."""
        for row in await connection.fetch(STATEMENTS[statement], *args):
            await connection.run_unhurried(row["sql"])

    async def _open(self) -> Database:
        return await Database.connect(self._dsn, size=1, application_name="eventstore-index")


async def _added(connection: Connection) -> list[AddedIndex]:
    rows = await connection.fetch(STATEMENTS["added_indexes"], _PREFIX)
    # What a build has left does not say yet of what it is.
    attributes = {_name_of(what): what for what in SEARCHABLE}
    return [
        AddedIndex(**{**dict(row), "of": attributes.get(row["name"], row["of"])})
        for row in rows
    ]


async def _find(connection: Connection, what: str) -> AddedIndex | None:
    """Return the index of an attribute or expression, or with this name."""
    names = (what, _name_of(what))
    return next((each for each in await _added(connection) if each.name in names), None)


def _name_of(what: str) -> str:
    """Return the name of the index of an attribute or expression: readable, and one for each."""
    if what in SEARCHABLE:
        return _PREFIX + what.replace("-", "_")
    words = re.sub(r"[^a-z0-9]+", "_", what.lower()).strip("_")
    digest = hashlib.sha256(what.encode()).hexdigest()[:8]
    return f"{_PREFIX}{words}"[: _MAX_NAME_BYTES - 9] + f"_{digest}"
