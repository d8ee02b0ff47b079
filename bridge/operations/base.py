"""`Operation`: its spec in a route, its plan for an event, and its execution.

::

    routes file      load         intake              Postgres        dispatch
    ───────────      ────         ──────              ────────        ────────
    start: {…}  ──▶  Spec   ──▶   plan(spec, scope)   ──▶ call ──▶    carry_out(temporal, …)
                     (checked,    every expression        (JSON)      the call to Temporal,
                     compiled)    evaluated                           judged: an Outcome

A plan is final: expressions are evaluated once, when the event is recorded. A later change of the
route cannot change the plan, and a dispatch can be retried for days without the routes file.
`carry_out` may be called any number of times, also after a crash in the middle of it, and must then
have the same effect.

Each operation is one module with one class, listed in `bridge.operations.OPERATIONS`. Shared parts:
`starting` (operations that start a workflow), `targets` (operations on an existing workflow),
`envelopes` (the argument of signals and updates). A new operation is one module that uses them, and
one line in that list and in `Route`.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from time import monotonic
from typing import ClassVar, NamedTuple, Protocol, TypeVar
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict

from bridge.cel import EventScope
from bridge.operations.calls import Temporal
from bridge.operations.outcomes import Outcome
from bridge.runtime.strict import DEFAULT_NAMESPACE
from eventstore.events import StoredEvent


class SpecModel(BaseModel):
    """Base of the models of operations in a routes file."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        use_attribute_docstrings=True,
    )


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """The plan of an operation for one event."""

    target: str
    """The workflow id; also the default key of the lane."""
    call: msgspec.Struct
    """Everything `carry_out` needs besides the event; stored as JSON."""
    starts: bool = False
    """Whether it starts its target if missing: a dispatch that waits for the target must not
    block it."""
    wait_for: float | None = None
    """Seconds to wait for a missing target; None: it does not wait."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a window whose call gets all of them."""

    route: str
    request_id: UUID
    """Of its own dispatch, so that a receiver can tell repeats."""
    call: bytes
    """JSON, as planned for this event."""
    event: StoredEvent


class Dispatch(msgspec.Struct, frozen=True, kw_only=True):
    """A due dispatch, as read from the ledger."""

    id: int
    uid: UUID
    position: int
    route: str
    generation: int
    operation: str
    namespace: str = DEFAULT_NAMESPACE
    """Its name in the settings, as planned."""
    key: str
    target: str
    request_id: UUID
    call: bytes
    """JSON, as planned."""
    run_id: str | None = None
    """The run it is for, once resolved."""
    attempts: int = 0
    planned_at: datetime
    """Or when it got its slot, or its window closed."""
    waiting_until: datetime | None = None
    """When the wait for a target ends; set by the first `Outcome` in state ``waiting``."""
    give_up_attempts: int | None = None
    give_up_seconds: float | None = None
    """The route's ``give_up_after``, as planned."""
    trace: str | None = None
    """The trace context that it continues."""
    member_ids: Sequence[int] | None = None
    """If it calls for a window with all of its events: their dispatches in order, its own included."""
    members: Sequence[Member] = ()
    """Those events, once they are read: only those whose data are still in the store."""
    taken_at: datetime
    """The database's time when it was read."""
    read_at: float = msgspec.field(default_factory=monotonic)
    """This process's monotonic clock at that moment, in seconds."""

    @property
    def now(self) -> datetime:
        """The database's current time, so that daemons with different clocks use one deadline."""
        return self.taken_at + timedelta(seconds=monotonic() - self.read_at)


class Backlog(NamedTuple):
    """The open dispatches of all partitions."""

    dispatches: int
    bytes: int
    """Size of their calls in the table."""


Spec_contra = TypeVar("Spec_contra", bound=SpecModel, contravariant=True)


class Operation(Protocol[Spec_contra]):
    """One kind of action that a route can take in Temporal."""

    name: ClassVar[str]
    """The key in the routes file."""
    waits_for_workflow: ClassVar[bool] = False
    """Whether a call may wait for a workflow; its duration then says nothing about the server's
    load."""

    def plan(self, spec: Spec_contra, scope: EventScope, *, route: str, uid: UUID) -> Planned:
        """Evaluate the route's spec for one event. Pure.

        Raises:
            ExpressionError: An expression failed on this event; it becomes the route's outcome.
        """
        ...

    def again(self, call: bytes) -> bytes:
        """Return a planned call for a new generation, independent of effects of earlier ones.

        Unchanged by default: a new request id is enough unless something else deduplicates.
        """
        return call

    async def carry_out(
        self,
        temporal: Temporal,
        dispatch: Dispatch,
        event: StoredEvent,
    ) -> Outcome:
        """Make the call and return its outcome.

        Raises:
            CallError: The call failed; `bridge.operations.outcomes` classifies it.
        """
        ...
