"""Lookup: find an event by its id, with or without its source, or by its uid.

The store has no index on the id alone, which would slow every append. But an event's uid follows
from source and id, and the store lists its sources: so the id is tried with each source.
"""

from uuid import UUID

from bridge.errors import BridgeError
from eventstore.events import StoredEvent, uid
from eventstore.store import EventStore

_MAX_SOURCES = 100_000


class TooManySources(BridgeError):  # noqa: N818 - says what is the case
    """There are too many sources to try each of them."""


async def find_events(store: EventStore, wanted: str, source: str | None) -> list[StoredEvent]:
    """Return the events of an id, one for each source that has one, or the event of a uid.

    Raises:
        TooManySources: No source was given, and there are too many to try.
        Unavailable: The database cannot be reached.
    """
    as_uid = _as_uuid(wanted)
    if as_uid is not None and source is None:
        stored = await store.get(as_uid)
        if stored is not None:
            return [stored]
    sources = [source] if source is not None else await _sources(store)
    found = await store.get_many([uid(each, wanted) for each in sources])
    return sorted(found.values(), key=lambda stored: stored.position)


async def _sources(store: EventStore) -> list[str]:
    sources = await store.sources(_MAX_SOURCES + 1)
    if len(sources) > _MAX_SOURCES:
        raise TooManySources(
            f"events have come from more than {_MAX_SOURCES} sources: give the event's own "
            "with --source, or its uid",
        )
    return sources


def _as_uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
