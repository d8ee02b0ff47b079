"""Pauses: people hold a source or a route; nothing is skipped or lost.

::

    pauses (table)   source  EVENTS/ntbridge   since, who, why
                     route   billing           since, who, why

A paused source: the daemon that leads it closes its pull. Messages stay in their stream, none is
acknowledged, and the lease stays where it is. After the pause the consumer attaches as after any
restart, behind what is recorded.

A paused route: intake records events and plans their dispatches as before. Dispatch takes none of the
route, and nothing that comes after one of the route in its lane. A call that is in flight when the
pause begins ends and is settled. What waits in memory goes back to the table.

The table is the only state, so that a pause survives restarts. Each daemon reads it every second
(`PauseWatch`), and calls and fetches nothing before it has read it once. While the database is away,
the last answer holds; nothing can be settled then anyway.
"""

from bridge.pauses.store import NO_PAUSES, Held, Pause, PauseKind, Pauses
from bridge.pauses.watch import HELD_BY_NOTHING, HeldNow, PauseWatch

__all__ = [
    "HELD_BY_NOTHING",
    "NO_PAUSES",
    "Held",
    "HeldNow",
    "Pause",
    "PauseKind",
    "PauseWatch",
    "Pauses",
]
