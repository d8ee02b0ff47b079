"""The pauses, for lists that need no server otherwise."""

from bridge.cli.common import note
from bridge.pauses import NO_PAUSES, Held, Pauses
from bridge.settings.sources import Loaded
from eventstore.database import Database
from eventstore.errors import EventStoreError

_DEADLINE_SECONDS = 3.0


async def known_pauses(loaded: Loaded) -> Held:
    """Return what is paused; nothing, with a note, if the database does not say it.

    Nothing is asked if no database is set and no stack runs.
    """
    if "database.url" not in loaded.origins:
        return NO_PAUSES
    try:
        database = await Database.connect(
            loaded.settings.database.url,
            size=1,
            deadline=min(_DEADLINE_SECONDS, loaded.settings.database.deadline),
            application_name="ntbridge ls",
        )
        try:
            return await Pauses(database).held()
        finally:
            await database.close()
    except EventStoreError as error:
        note(f"what is paused is not known: {error}")
        return NO_PAUSES
