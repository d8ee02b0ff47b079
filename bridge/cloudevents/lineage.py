"""Attributes that events inherit along a causation chain. Pure.

Each run that a route starts has a memo: under ``ce`` the attributes of the event that triggered
it, under ``bridge`` what the bridge adds. Events of the run inherit from the memo:

=================  =====================================================================
attribute          value
=================  =====================================================================
``correlationid``  that of the triggering event; the workflow id for a run started by hand
``causationid``    the triggering event's id; absent when started by hand
``traceparent``    and ``tracestate``: those of the triggering event
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

_MAX_DIGITS = 10
"""Of a 32-bit integer, the CloudEvents Integer type."""


def hops_of(event: Event) -> int:
    """Return how often an event's chain has passed the bridge; 0 if ``hops`` is absent or invalid."""
    return read_hops(event.extensions.get("hops", 0))


def read_hops(value: object) -> int:
    """Read a value of the attribute ``hops``; an invalid one counts as 0."""
    hops = str(value)
    # Any publisher may set it. Python refuses to parse more than 4300 digits.
    return int(hops) if hops.isdecimal() and len(hops) <= _MAX_DIGITS else 0


def memo_of(route: str, stored: StoredEvent, generation: int = 1) -> dict[str, Any]:
    """Return the ``bridge`` part of a run's memo, which links its events to the triggering event.

    A run of a later generation (started again on purpose) also has the generation.
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
    """What all events of one run inherit."""

    correlation_id: str
    correlation_uid: UUID
    causation_uid: UUID | None = None
    extensions: Mapping[str, ExtensionValue]


class _Trigger(msgspec.Struct):
    """The part of the memo's ``ce`` that is inherited."""

    id: str
    # Set by the publisher: an invalid value must not invalidate the memo.
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
    """Return the lineage of a run that an event started, from its memo.

    Raises:
        msgspec.ValidationError: The memo is invalid.
    """
    run = msgspec.convert({name: memo.get(name) for name in ("ce", "bridge")}, _Memo)
    # Only text is a valid trace context.
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
    """Return the lineage of a run that no event started.

    The workflow id is the correlation id, so that the run's events stay together.
    """
    correlation = as_attribute(workflow_id)
    return Lineage(
        correlation_id=correlation,
        correlation_uid=uid(source, correlation),
        extensions={"correlationid": correlation, "hops": 0},
    )


def as_attribute(workflow_id: str) -> str:
    """Return a workflow id as a CloudEvents attribute value.

    Temporal allows control characters in an id, CloudEvents does not: such ids are percent-encoded.
    """
    return workflow_id if is_text(workflow_id) else quote(workflow_id, safe="/:@")
