"""The database and the event store in it, opened for the daemon or for one command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import entry_points

from bridge.settings.schema import Settings
from bridge.sql import COMPONENT
from eventstore.database import Database
from eventstore.migrate import EVENTSTORE, Component, schema_state
from eventstore.store import EventStore

JOINING = "ntbridge.components"
"""The entry point group by which others have their tables made: each names a ``Component``."""

COMPONENTS: tuple[Component, ...] = (
    EVENTSTORE,
    COMPONENT,
    *(joining.load() for joining in sorted(entry_points(group=JOINING))),
)
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
        store = EventStore(database)
        try:
            yield database, store
        finally:
            await store.aclose()
    finally:
        await database.close()
