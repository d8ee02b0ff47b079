"""The redrive of a call for a window: the same events again, at once, and no other event with them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from bridge.errors import BridgeError
from bridge.flow.plan import FlowPlan
from bridge.routes.table import PlannedDispatch
from bridge.sql import STATEMENTS
from eventstore.database import Connection
from eventstore.events import StoredEvent
from eventstore.store import EventStore

Planned = tuple[int, UUID, PlannedDispatch]
"""The position and uid of an event, and its plan."""


class NotRedriven(BridgeError):  # noqa: N818 - an outcome with its reason
    """A letter cannot be redriven now; the message says why and what to do."""


class CallAgain(NamedTuple):
    """What is planned for a call again."""

    planned: Sequence[Planned]
    left_out: int
    """How many events of the former call today's route does not plan."""

    @property
    def words(self) -> str:
        """The other events of the call, in words; empty if there are none."""
        others = len(self.planned) - 1
        words = f", with {others} other event{'' if others == 1 else 's'}" if others else ""
        if self.left_out:
            words += f"; today's route does not plan {self.left_out} of its events"
        return words


async def call_again(
    connection: Connection,
    store: EventStore,
    plan: Callable[[StoredEvent, str, int], Awaitable[PlannedDispatch]],
    last: tuple[StoredEvent, PlannedDispatch],
    members: Sequence[int],
    letter: str,
) -> CallAgain:
    """Return the plans for a call again.

    Args:
        connection: In the transaction of the redrive.
        store: Has the events.
        plan: Plans an event by a route of today as a generation; raises `NotRedriven`.
        last: The event of the dead letter, and its new plan.
        members: The dispatches whose events the former call got; empty: only its own.
        letter: The number of the dead letter.
    """
    stored, planned = last
    found = [(stored.position, stored.uid, planned)]
    left_out = 0
    if members and _gives_each(planned):
        rows = await connection.fetch(STATEMENTS["members_to_redrive"], list(members))
        events = await store.get_many([row["uid"] for row in rows])
        for row in rows:
            event = events[row["uid"]]
            if event.uid == stored.uid or event.removal is not None:
                continue
            try:
                again = await plan(event, planned.route, row["generation"])
            except NotRedriven:
                left_out += 1
            else:
                found.append((event.position, event.uid, again))
    apart = [
        (position, uid, replace(each, flow=_apart(each.flow, letter, len(found))))
        for position, uid, each in sorted(found, key=lambda row: row[0])
    ]
    return CallAgain(apart, left_out)


def _gives_each(planned: PlannedDispatch) -> bool:
    """Return whether today's route gives every event of a window, in one call or in a call of its own."""
    window = None if planned.flow is None else planned.flow.window
    return window is None or window.gives_all


def _apart(flow: FlowPlan | None, letter: str, events: int) -> FlowPlan | None:
    """Give a plan a window that closes with the last of these events, and that no other event joins."""
    if flow is None or flow.window is None:
        return flow
    window = replace(
        flow.window,
        key=f"{flow.window.key} (redrive of dead letter {letter})",
        target="",
        size=events,
        max_bytes=None,
    )
    return replace(flow, window=window)
