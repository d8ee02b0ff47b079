"""Finding an event by what a person has of it: its id, perhaps its source, or its uid.

The store has no index by id alone, which every append would pay for. An event's uid follows
from source and id, though, and there are far fewer sources than events: so each source there
is is tried with the id.
"""

from uuid import UUID

from bridge.errors import BridgeError
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.events import StoredEvent, uid
from eventstore.store import EventStore

_MOST_SOURCES = 100_000


class TooManySources(BridgeError):  # noqa: N818 - says what is the case
    """There are too many sources to try each of them."""


async def find_events(
    database: Database, store: EventStore, wanted: str, source: str | None
) -> list[StoredEvent]:
    """Return the events of an id, one for each source that has one, or the event of a uid.

    Raises:
        TooManySources: No source was given, and there are too many to try.
        Unavailable: The database is away.
    """
    as_uid = _as_uuid(wanted)
    if as_uid is not None and source is None:
        stored = await store.get(as_uid)
        if stored is not None:
            return [stored]
    sources = [source] if source is not None else await _sources(database)
    found = await store.get_many([uid(each, wanted) for each in sources])
    return sorted(found.values(), key=lambda stored: stored.position)


async def _sources(database: Database) -> list[str]:
    rows = await database.fetch(STATEMENTS["event_sources"], _MOST_SOURCES + 1)
    if len(rows) > _MOST_SOURCES:
        raise TooManySources(
            f"events have come from more than {_MOST_SOURCES} sources: give the event's own "
            "with --source, or its uid",
        )
    return [row["source"] for row in rows]


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
