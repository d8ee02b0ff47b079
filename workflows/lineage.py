"""Which event a run goes back to, and what its result events inherit from it.

Every run that the bridge starts carries a memo: under ``ce`` the attributes of the event that
triggered it, under ``bridge`` what the bridge knows about it. A run that somebody started by
hand has none and is an origin itself.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from pydantic import Field, JsonValue

from eventstore.events import uid
from workflows.messages.message import Message


class TriggeringEvent(Message):
    """The part of the memo's ``ce`` that result events inherit.

    The trace context is the publisher's: whatever it is, it must not cost the run its lineage.
    """

    id: str
    traceparent: JsonValue = None
    tracestate: JsonValue = None


class BridgeMemo(Message):
    """The part of the memo's ``bridge`` that result events inherit."""

    uid: UUID
    correlation_id: str
    correlation_uid: UUID
    hops: int = Field(default=0, ge=0)


class RunMemo(Message):
    """The memo of a run that the bridge started."""

    ce: TriggeringEvent
    bridge: BridgeMemo


class Lineage(Message):
    """What every result event of one run carries."""

    correlation_id: str
    correlation_uid: UUID
    causation_uid: UUID | None = None
    extensions: dict[str, str | int]


def lineage_of(memo: Mapping[str, Any], *, source: str, workflow_id: str) -> Lineage:
    """Return the lineage of a run from its memo.

    Raises:
        pydantic.ValidationError: When the memo has a ``bridge`` entry that cannot be read.
    """
    if "bridge" not in memo:
        return Lineage(
            correlation_id=workflow_id,
            # No event began this: the run stands for it, so that its events stay together.
            correlation_uid=uid(source, workflow_id),
            extensions={"correlationid": workflow_id, "hops": 0},
        )
    run = RunMemo.model_validate({"ce": memo.get("ce"), "bridge": memo["bridge"]})
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
