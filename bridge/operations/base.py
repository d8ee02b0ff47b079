"""What an operation is made of: what a route says, what is planned of it, how it is carried out.

::

    routes file      load         intake              Postgres        dispatch
    ───────────      ────         ──────              ────────        ────────
    start: {…}  ──▶  Spec   ──▶   plan(spec, scope)   ──▶ call ──▶    carry_out(temporal, …)
                     (checked,    every expression        (JSON)      the call to Temporal,
                     compiled)    evaluated                           judged: an Outcome

What is planned is final: expressions are evaluated once, when the event is recorded, so that a
route edited later cannot change what was planned, and a dispatch can be tried again for days
without the routes file. `carry_out` may be called any number of times, also after a crash in
the middle of itself, and must then come to the same effect.

Each operation is one module with one class, listed in `bridge.operations.OPERATIONS`. What
several share lies beside them: `starting` (all that start a workflow), `targets` (all that mean
one that is there), `envelopes` (what signals and updates carry). One more, such as an update
with start, is one more module on these and one more line in that list and in `Route`.
"""

from datetime import datetime, timedelta
from time import monotonic
from typing import ClassVar, NamedTuple, Protocol, TypeVar
from uuid import UUID

import msgspec
from pydantic import BaseModel, ConfigDict

from bridge.cel import EventScope
from bridge.operations.calls import Temporal
from bridge.operations.outcomes import Outcome
from eventstore.events import StoredEvent


class SpecModel(BaseModel):
    """The base of what a routes file says about an operation."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        arbitrary_types_allowed=True,
        use_attribute_docstrings=True,
    )


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation planned for one event."""

    target: str
    """The workflow id; also the default key of the lane."""
    call: msgspec.Struct
    """Everything `carry_out` needs besides the event itself; kept as JSON."""
    starts: bool = False
    """Whether it starts its target when that is not there: no dispatch that waits for the target
    may hold it."""
    wait_for: float | None = None
    """Seconds that it waits for its target when that is not there; None: it does not wait."""


class Dispatch(msgspec.Struct, frozen=True, kw_only=True):
    """A dispatch that is due, as taken from the ledger."""

    id: int
    uid: UUID
    position: int
    route: str
    generation: int
    operation: str
    key: str
    target: str
    request_id: UUID
    call: bytes
    """JSON, as planned."""
    run_id: str | None = None
    """The run it is meant for, once that is resolved."""
    attempts: int = 0
    planned_at: datetime
    waiting_until: datetime | None = None
    """When waiting for a target ends; set by the first `Outcome` that waits."""
    give_up_attempts: int | None = None
    give_up_seconds: float | None = None
    """The route's ``give_up_after``, as planned."""
    trace: str | None = None
    """The trace that it goes on with."""
    taken_at: datetime
    """The database's time when it was read."""
    read_at: float = msgspec.field(default_factory=monotonic)
    """This process's monotonic clock at that moment, in seconds."""

    @property
    def now(self) -> datetime:
        """The database's time now: deadlines are the same for daemons whose clocks differ."""
        return self.taken_at + timedelta(seconds=monotonic() - self.read_at)


class Backlog(NamedTuple):
    """What is open, in all partitions."""

    dispatches: int
    bytes: int
    """Of their calls, as the table keeps them."""


Spec_contra = TypeVar("Spec_contra", bound=SpecModel, contravariant=True)


class Operation(Protocol[Spec_contra]):
    """One thing a route can do to Temporal."""

    name: ClassVar[str]
    """The key in the routes file."""
    waits_for_workflow: ClassVar[bool] = False
    """Whether a call may wait for a workflow's answer, so that how long it takes says nothing
    about how busy the server is."""

    def plan(self, spec: Spec_contra, scope: EventScope, *, route: str, uid: UUID) -> Planned:
        """Evaluate what the route says for one event. Pure.

        Raises:
            ExpressionError: An expression failed on this event; that is the route's outcome.
        """
        ...

    def again(self, call: bytes) -> bytes:
        """Return a planned call for a new generation, which the effects of earlier ones do not answer.

        The new request id is enough where nothing else tells repeats.
        """
        return call

    async def carry_out(
        self,
        temporal: Temporal,
        dispatch: Dispatch,
        event: StoredEvent,
    ) -> Outcome:
        """Make the call and judge the answer.

        Raises:
            CallError: The call failed; `bridge.operations.outcomes` classifies it.
        """
        ...
