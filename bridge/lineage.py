"""What an event inherits and hands on along the chain. Pure."""

from typing import Any

from eventstore.events import Event, StoredEvent

_MOST_DIGITS = 10
"""Those of a 32-bit integer, which a number in an attribute is."""


def hops_of(event: Event) -> int:
    """Return how often an event's chain has passed the bridge; 0 when nobody has counted."""
    hops = str(event.extensions.get("hops", 0))
    # Anybody may have written it; Python refuses to read more than 4300 digits.
    return int(hops) if hops.isdecimal() and len(hops) <= _MOST_DIGITS else 0


def memo_of(route: str, stored: StoredEvent, generation: int = 1) -> dict[str, Any]:
    """Return what a run must know to link the events it emits to the one that caused it.

    A run that was started again on purpose says of which generation it is.
    """
    memo = {
        "uid": str(stored.uid),
        "route": route,
        "correlation_id": stored.correlation_id,
        "correlation_uid": str(stored.correlation_uid),
        "hops": hops_of(stored.event),
    }
    return memo if generation == 1 else {**memo, "generation": generation}
