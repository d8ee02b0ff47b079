"""Replays in words, the same for commands and pages. Pure."""

from collections.abc import Iterator, Mapping

import msgspec

from bridge.history.replay.selection import Selection
from bridge.history.replay.store import Destination, ToFile, ToNats, ToRoutes

_MEANINGS: Mapping[str, str] = {
    "unmatched": "events match none of these routes",
    "seen": "dispatches were planned before: not planned again",
    "open": "dispatches are still open: not planned again",
    "forgotten": "may have been dispatched before, and retention removed the record: not planned "
    "(the option 'forgotten' plans them)",
    "dead": "of those planned become dead letters at once, with the reason",
    "schema": "events violate the current schema: not planned",
    "removed": "events have no data any more: not planned (the option to include archives reads archived data)",
    "loop": "events have passed the bridge too often (hops): not planned",
}


def where_to(destination: Destination) -> str:
    """Return the target of a replay: ``to NATS, on orders.again``."""
    match destination:
        case ToFile(path=path, format=kind):
            return f"to the file {path} ({kind})"
        case ToNats(subject=None):
            return "to NATS, on replay.<replay id>.<original subject>"
        case ToNats(subject=subject):
            return f"to NATS, on {subject}"
        case ToRoutes(names=names, again=again):
            routes = f"the routes {', '.join(names)}" if names else "all routes"
            return f"to {routes}" + (
                ", AGAIN: as new generations, with new effects" if again else ""
            )


def which(selection: Selection) -> str:
    """Return which events are selected: ``type io.example.x, since 2026-…``; ``all events``."""
    found = [
        f"{name.replace('_', ' ')} {value}"
        for name, value in msgspec.structs.asdict(selection.where).items()
        if value is not None
    ]
    if selection.condition is not None:
        found.append(f"where {selection.condition}")
    if selection.from_position > 1:
        found.append(f"from position {selection.from_position}")
    if selection.to_position is not None:
        found.append(f"before position {selection.to_position}")
    if selection.include_archive:
        found.append("with archived data")
    return ", ".join(found) or "all events"


def summary(selection: Selection, destination: Destination, total: int) -> str:
    """Return what a replay is, in one line."""
    return f"{events(total)} ({which(selection)}) {where_to(destination)}"


def planned(tally: Mapping[str, int]) -> int:
    """Return how many dispatches a tally plans."""
    return sum(count for _, count in _by_route(tally))


def tally_lines(tally: Mapping[str, int], done: str) -> list[str]:
    """Return what the events of a replay to routes came to, a line each.

    Args:
        tally: The counts of `Planner.plan`.
        done: The participle for dispatches: ``planned`` or ``to be planned``.
    """
    lines = [f"{count} {done} by route {route}" for route, count in _by_route(tally)]
    return lines + [
        f"{tally[word]} {meaning}" for word, meaning in _MEANINGS.items() if tally.get(word)
    ]


def events(count: int) -> str:
    """Return a number of events: ``1 event``, ``2 events``."""
    return f"{count} {'event' if count == 1 else 'events'}"


def _by_route(tally: Mapping[str, int]) -> Iterator[tuple[str, int]]:
    for word, count in sorted(tally.items()):
        if word.startswith("planned "):
            yield word.removeprefix("planned "), count
