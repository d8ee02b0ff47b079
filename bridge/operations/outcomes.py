"""What a call's answer means for its dispatch. Pure decisions; the one table of failures.

==============  ===========================================  ==============================
class           Temporal's answer                            what follows
==============  ===========================================  ==============================
transient       UNAVAILABLE, CANCELLED, DEADLINE_EXCEEDED,   stays open, tried again in its
                ABORTED, INTERNAL, UNKNOWN                   lane after a growing pause
rate-limited    RESOURCE_EXHAUSTED, of Temporal or a proxy   likewise, and everything slows
                                                             unless the limit is one
                                                             workflow's own; never a dead
                                                             letter
environment     the namespace is missing or does not serve,  likewise, and never a dead
                a search attribute is not registered or has  letter by itself: nothing is
                another type than the bridge's own need, a   wrong with the event, and
                pinned version is not deployed,              mending the setting mends it
                PERMISSION_DENIED, UNAUTHENTICATED,
                UNIMPLEMENTED
target closed   NOT_FOUND of a run                           the route's ``when_missing``
permanent       all else: INVALID_ARGUMENT (too large, too   this event cannot be dispatched
                long, too many signals),                     by this route: a dead letter
                RESOURCE_EXHAUSTED for a message over 4 MB,
                FAILED_PRECONDITION (too many updates)
==============  ===========================================  ==============================

ALREADY_EXISTS is no failure but a question, which the operations that start answer. A route's
``give_up_after`` turns *transient* into a dead letter at last.
"""

from typing import Literal

import msgspec

from bridge.lifecycle.backoff import backoff
from bridge.operations.calls import CallError

FailureClass = Literal["transient", "rate-limited", "environment", "target-closed", "permanent"]
State = Literal["open", "waiting", "done", "duplicate", "collision", "skipped", "dead"]
Closure = Literal["full", "bare"]
"""The result event at the end of a run: with the workflow's result, or without."""

_TRANSIENT = frozenset(
    {"UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "INTERNAL", "UNKNOWN"},
)
_ENVIRONMENT = frozenset({"PERMISSION_DENIED", "UNAUTHENTICATED", "UNIMPLEMENTED"})
_OF_ONE_WORKFLOW = frozenset({"BUSY_WORKFLOW", "CONCURRENT_LIMIT"})


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What is written into the dispatch's row.

    ``open`` and ``waiting`` are tried again after ``pause`` seconds; an ``open`` one without an
    error is simply not finished (its run was resolved, say) and goes on at once.
    """

    state: State
    run_id: str | None = None
    error: str | None = None
    code: str | None = None
    """A stable word for the kind of fault, when there is one."""
    traceback: str | None = None
    """Where it happened, of a fault that nobody foresaw."""
    pause: float = 0.0
    limited: bool = False
    """Whether the server asked everybody to slow down."""
    closure: Closure | None = None
    """How the end of the run is to be told, if it is one that this dispatch (may have) started."""
    unreachable: bool = False
    """Whether nobody could be reached at all, so that no other call would fare better."""


def classify(error: CallError) -> FailureClass:
    """Return what kind of failure Temporal's answer is.

    By code and detail alone: an answer's text may repeat what an event says.
    """
    if error.namespace_missing or error.misconfigured:
        return "environment"
    if error.target_gone:
        return "target-closed"
    if error.status == "RESOURCE_EXHAUSTED":
        return "permanent" if error.too_large else "rate-limited"
    if error.status in _TRANSIENT:
        return "transient"
    if error.status in _ENVIRONMENT:
        return "environment"
    return "permanent"


def after_failure(error: CallError, attempts: int) -> Outcome:
    """Return what becomes of a dispatch whose call failed for the ``attempts``-th time."""
    kind = classify(error)
    if kind in ("permanent", "target-closed"):
        return Outcome(state="dead", error=str(error), code=kind)
    return Outcome(
        state="open",
        error=str(error),
        code=kind,
        pause=backoff(attempts),
        limited=kind == "rate-limited" and error.limit not in _OF_ONE_WORKFLOW,
        unreachable=error.status == "UNAVAILABLE",
    )
