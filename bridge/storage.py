"""The database and the event store in it, opened for the daemon or for one command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.config import Settings
from bridge.sql import COMPONENT
from eventstore.database import Database
from eventstore.migrate import EVENTSTORE, schema_state
from eventstore.store import EventStore

COMPONENTS = (EVENTSTORE, COMPONENT)
"""Whose tables `ntbridge migrate` makes."""


@asynccontextmanager
async def open_store(
    settings: Settings, name: str
) -> AsyncIterator[tuple[Database, EventStore]]:
    """Open the database and the store, and see that the schema is this program's.

    Raises:
        Unavailable: The database cannot be reached.
        NotAdmitted: It refuses the user, the password or the database's name.
        NotMigrated: Tables are missing or too old.
        SchemaTooNew: The tables belong to a newer release.
    """
    database = await Database.connect(
        settings.database.url,
        size=settings.database.pool_size,
        deadline=settings.database.deadline,
        application_name=name,
    )
    try:
        (await schema_state(database, COMPONENTS)).require()
        yield database, EventStore(database)
    finally:
        await database.close()
