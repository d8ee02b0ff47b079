"""What an event inherits and hands on along the chain. Pure.

Every run that a route starts carries a memo: under ``ce`` the attributes of the event that
triggered it, under ``bridge`` what the bridge knows about that. What the run leads to, inherits
from it:

=================  =====================================================================
attribute          value
=================  =====================================================================
``correlationid``  of the triggering event; of a run started by hand the workflow id
``causationid``    the triggering event's id; absent when started by hand
``traceparent``    and ``tracestate``, as the triggering event had them
``hops``           one more than the triggering event's; 0 when started by hand
=================  =====================================================================
"""

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote
from uuid import UUID

import msgspec

from eventstore.events import Event, ExtensionValue, StoredEvent, uid
from eventstore.validity import is_text

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


class Lineage(msgspec.Struct, frozen=True, kw_only=True):
    """What every event has in common that one run leads to."""

    correlation_id: str
    correlation_uid: UUID
    causation_uid: UUID | None = None
    extensions: Mapping[str, ExtensionValue]


class _Trigger(msgspec.Struct):
    """The part of the memo's ``ce`` that is inherited."""

    id: str
    # The publisher's own: whatever it is, it must not cost the run its lineage.
    traceparent: Any = None
    tracestate: Any = None


class _Known(msgspec.Struct):
    """The part of the memo's ``bridge`` that is inherited."""

    uid: UUID
    correlation_id: str
    correlation_uid: UUID
    hops: Annotated[int, msgspec.Meta(ge=0)] = 0


class _Memo(msgspec.Struct):
    ce: _Trigger
    bridge: _Known


def inherited(memo: Mapping[str, Any]) -> Lineage:
    """Return what a run hands on that an event started, from its memo.

    Raises:
        msgspec.ValidationError: The memo cannot be read.
    """
    run = msgspec.convert({name: memo.get(name) for name in ("ce", "bridge")}, _Memo)
    # Anything but text is no trace context.
    trace = {"traceparent": run.ce.traceparent, "tracestate": run.ce.tracestate}
    return Lineage(
        correlation_id=run.bridge.correlation_id,
        correlation_uid=run.bridge.correlation_uid,
        causation_uid=run.bridge.uid,
        extensions={
            "correlationid": run.bridge.correlation_id,
            "causationid": run.ce.id,
            **{name: value for name, value in trace.items() if isinstance(value, str)},
            "hops": run.bridge.hops + 1,
        },
    )


def originating(source: str, workflow_id: str) -> Lineage:
    """Return what a run hands on that no event started: it is an origin itself.

    The run stands for the event that began it all, so that its events stay together.
    """
    correlation = as_attribute(workflow_id)
    return Lineage(
        correlation_id=correlation,
        correlation_uid=uid(source, correlation),
        extensions={"correlationid": correlation, "hops": 0},
    )


def as_attribute(workflow_id: str) -> str:
    """Return a workflow id as the value of an attribute.

    Temporal takes any text for an id, CloudEvents no control characters: such ids are
    percent-encoded.
    """
    return workflow_id if is_text(workflow_id) else quote(workflow_id, safe="/:@")
