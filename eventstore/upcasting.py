"""Upcasters: convert events of older schema versions on read; stored events do not change."""

from collections.abc import Callable

import msgspec

from eventstore.events import Event, StoredEvent, schema_version_of

Upcaster = Callable[[Event], Event]
"""Returns the event in its next version, as a new value. Pure and fast: it runs on each read."""


class Upcasters:
    """Upcasters by (type, schema version), chained until none fits; other types are not changed.

    >>> upcasters = Upcasters()
    >>> @upcasters.register("com.example.order-placed.v1", 1)
    ... def add_currency(event: Event) -> Event: ...
    """

    def __init__(self) -> None:
        self._steps: dict[tuple[str, int], Upcaster] = {}

    def register(self, event_type: str, version: int) -> Callable[[Upcaster], Upcaster]:
        """Register a function for events of a type in a schema version, as a decorator.

        If the function changes the type, the result has the version at the end of the new type,
        else the next version of the same type.

        Raises:
            ValueError: This type and version have one already.
        """

        def add(upcaster: Upcaster) -> Upcaster:
            if (event_type, version) in self._steps:
                raise ValueError(f"two upcasters for {event_type} version {version}")
            self._steps[event_type, version] = upcaster
            return upcaster

        return add

    def apply(self, stored: StoredEvent) -> StoredEvent:
        """Return the event in the newest version that can be reached.

        Uid, stream and position do not change; `Event.uid` of the result is the stored one only if the
        upcasters leave ``source`` and ``id`` alone, `StoredEvent.uid` always.

        Raises:
            ValueError: The upcasters form a cycle.
        """
        seen: set[tuple[str, int]] = set()
        event, version = stored.event, stored.schema_version
        while step := self._steps.get((event.type, version)):
            if (event.type, version) in seen:
                raise ValueError(f"the upcasters of {event.type} form a cycle")
            seen.add((event.type, version))
            newer = step(event)
            renamed = newer.type != event.type
            version = schema_version_of(newer.type) if renamed else version + 1
            event = newer
        if not seen:
            return stored
        return msgspec.structs.replace(stored, event=event, schema_version=version)
