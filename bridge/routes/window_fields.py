"""``debounce`` and ``batch`` of a route: which events one call is for. Pure; `bridge.flow.windows` has the rules."""

from typing import Literal, Self

import msgspec
from pydantic import Field, model_validator

from bridge.cel import EventScope
from bridge.cloudevents.codec import attributes
from bridge.flow.windows import WindowPlan
from bridge.operations.base import SpecModel
from bridge.operations.batches import given
from bridge.operations.fields import Duration, TextExpression
from bridge.runtime.strict import Whole
from eventstore.events import Event

MAX_EVENTS = 10_000
"""Maximum number of events of a window: it closes in one statement."""
DEFAULT_BYTES = 2**20
MAX_BYTES = 16 * 2**20

STARTING = frozenset({"start", "start_activity"})
"""Operations that start something: a window may have events of several targets, and the last one's counts."""
GIVING = STARTING | {"signal", "signal_with_start", "update", "update_with_start"}
"""Operations that give the event; they can give many."""

_ENVELOPE_BYTES = 200
"""Of what an envelope has besides the event: braces, and the extensions of the bridge."""


class DebounceSpec(SpecModel):
    """One call for all events of a key that come shortly after each other: that of the last one."""

    key: TextExpression | None = None
    """CEL; default: the route's key."""
    seconds: Duration = Field(alias="for")
    """How long no event of the key must come before the call."""
    at_most: Duration | None = None
    """How long events may put off the call, from the first one; default: for ever."""
    include: Literal["last", "all"] = "last"
    """What the call gets: the last event, or a list of all of them as envelopes, the last one last."""
    max_bytes: Whole = Field(DEFAULT_BYTES, ge=1024, le=MAX_BYTES)
    """With include: all, how large the list may be; the next event begins a new one."""

    @model_validator(mode="after")
    def _times_fit(self) -> Self:
        if self.at_most is not None and self.at_most < self.seconds:
            raise ValueError(
                f"at_most ({self.at_most:g} s) must not be less than for ({self.seconds:g} s)"
            )
        return self


class BatchSpec(SpecModel):
    """One call with a list of events of a key, as envelopes."""

    key: TextExpression | None = None
    """CEL; default: the route's key."""
    size: Whole = Field(100, ge=1, le=MAX_EVENTS)
    """How many events make a full batch."""
    seconds: Duration = Field(alias="for")
    """How long the first event waits for a full batch."""
    max_bytes: Whole = Field(DEFAULT_BYTES, ge=1024, le=MAX_BYTES)
    """How large a batch may be; the event that does not fit begins a new one."""


def window_problem(
    operation: str,
    debounce: DebounceSpec | None,
    batch: BatchSpec | None,
    *,
    fetches: bool,
    keyed: bool,
) -> str | None:
    """Return why a route cannot have these windows; None if it can.

    Args:
        operation: The name of its operation.
        debounce: Its debounce.
        batch: Its batch.
        fetches: Whether it fetches data by ``dataref``.
        keyed: Whether the route has a key, or its events name their target.
    """
    window = debounce or batch
    if window is None:
        return None
    if debounce is not None and batch is not None:
        return "debounce and batch exclude each other"
    problem = None
    if window.key is None and not keyed:
        name = "batch" if debounce is None else "debounce"
        problem = f"{name} needs a key: without a key and an id, each event has its own window"
    elif debounce is None or debounce.include == "all":
        what = "batch" if debounce is None else "debounce with include: all"
        if operation not in GIVING:
            problem = f"{what} is of no use: {operation} gives no event"
        elif fetches:
            problem = (
                f"{what} cannot be used with dataref: fetch, because the size of the data is not "
                "known before the call"
            )
    return problem


def window_plan(
    spec: DebounceSpec | BatchSpec,
    scope: EventScope,
    event: Event,
    *,
    operation: str,
    key: str,
    target: str,
    call: bytes,
) -> WindowPlan:
    """Return the window that an event joins.

    Args:
        spec: The route's ``debounce`` or ``batch``.
        scope: The event's values.
        event: The event.
        operation: The name of the route's operation.
        key: The dispatch's key.
        target: The dispatch's target.
        call: The planned call.

    Raises:
        ExpressionError: The key fails on this event.
    """
    batch = spec if isinstance(spec, BatchSpec) else None
    debounce = spec if isinstance(spec, DebounceSpec) else None
    gives_all = debounce is None or debounce.include == "all"
    run_id = given(call).target.run_id
    return WindowPlan(
        kind="debounce" if batch is None else "batch",
        key=key if spec.key is None else scope.text(spec.key),
        target="" if operation in STARTING else f"{target} {run_id}".rstrip(),
        seconds=spec.seconds,
        at_most=None if debounce is None else debounce.at_most,
        size=MAX_EVENTS if batch is None else batch.size,
        max_bytes=spec.max_bytes if gives_all else None,
        bytes=_envelope_bytes(event, call) if gives_all else 0,
        gives_all=gives_all,
    )


def _envelope_bytes(event: Event, call: bytes) -> int:
    """Return an upper bound of the size of an event's envelope in a list."""
    value = given(call).value
    own = len(msgspec.json.encode(attributes(event))) + len(event.id) + _ENVELOPE_BYTES
    if value is not msgspec.UNSET:
        return own + len(bytes(value))
    data = len(event.data or b"")
    return own + (data if event.has_json_data else data * 4 // 3 + 4)
