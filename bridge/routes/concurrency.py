"""What a route says about flow: how many runs of a key there may be at a time. Pure."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from bridge.cel import EventScope
from bridge.flow.plan import SlotPlan, WhenFull
from bridge.operations.base import SpecModel
from bridge.operations.fields import TextExpression
from bridge.operations.starting import StartFields
from bridge.runtime.strict import Whole

MAX_LIMIT = 10_000


class Concurrency(BaseModel):
    """How many runs of a key there may be at a time.

    A slot of the key is held from the start until the end of the run is known by its closure event.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    key: TextExpression
    """CEL: runs with the same key count together; only those of this route."""
    limit: Whole = Field(1, ge=1, le=MAX_LIMIT)
    """How many runs of a key there may be at a time."""
    when_full: WhenFull = "queue"
    """What happens to an event whose key has no free slot: ``queue``: it waits, in the order of the events.
    ``skip``: it is recorded and not called for. ``replace_queued``: it waits instead of those that wait.
    ``cancel_running``: as ``replace_queued``, and the oldest run is cancelled."""

    def plan(self, scope: EventScope) -> SlotPlan:
        """Return the slot that a dispatch of an event needs.

        Raises:
            ExpressionError: The key cannot be computed for this event.
        """
        return SlotPlan(key=scope.text(self.key), limit=self.limit, when_full=self.when_full)


def check_concurrency(spec: SpecModel) -> None:
    """Check that an operation can hold a slot.

    Raises:
        ValueError: It starts no workflow, or the end of its run is not recorded.
    """
    starts = started_by(spec)
    if not starts:
        raise ValueError(
            "concurrency is only for start, signal_with_start and update_with_start: other "
            "operations start no workflow that could hold a slot"
        )
    if not starts[0].closure.announce:
        raise ValueError(
            "concurrency needs the closure event of the run, which frees its slot: remove "
            "closure.announce: false"
        )


def started_by(spec: SpecModel) -> list[StartFields]:
    """Return the parameters of the workflow that an operation may start; empty if it starts none."""
    fields: tuple[Any, ...] = (spec, getattr(spec, "start", None))
    return [each for each in fields if isinstance(each, StartFields)]
