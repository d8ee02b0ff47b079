"""`Outcome`: what Temporal's answer means for a dispatch. Pure; the one table of failures.

==============  ===========================================  ==============================
class           Temporal's answer                            what follows
==============  ===========================================  ==============================
transient       UNAVAILABLE, CANCELLED, DEADLINE_EXCEEDED,   stays open, retried in its lane
                ABORTED, INTERNAL, UNKNOWN                   after a growing pause
rate-limited    RESOURCE_EXHAUSTED, of Temporal or a proxy   retried as above; all calls slow
                                                             down unless the limit belongs
                                                             to one workflow; never a dead
                                                             letter
environment     the namespace is missing or unavailable, a   retried as above; no dead
                search attribute is not registered or has    letter unless the route gives
                another type than the bridge needs, a        up: the event is right, and the
                pinned version is not deployed,              dispatch succeeds once the
                PERMISSION_DENIED, UNAUTHENTICATED,          setting is corrected
                UNIMPLEMENTED
target closed   NOT_FOUND of a run                           the route's ``when_missing``
permanent       all others: INVALID_ARGUMENT (too large, too this event cannot be dispatched
                long, too many signals),                     by this route: a dead letter
                RESOURCE_EXHAUSTED for a message over 4 MB,
                FAILED_PRECONDITION (too many updates)
==============  ===========================================  ==============================

ALREADY_EXISTS is not a failure: operations that start a workflow examine the existing run. A route's
``give_up_after`` finally turns *transient* into a dead letter.
"""

from typing import Literal

import msgspec

from bridge.lifecycle.backoff import backoff
from bridge.operations.calls import CallError

FailureClass = Literal["transient", "rate-limited", "environment", "target-closed", "permanent"]
DispatchState = Literal["open", "waiting", "done", "duplicate", "collision", "skipped", "dead"]
Closure = Literal["full", "bare"]
"""The closure event of a run: with the workflow's result, or without."""

_TRANSIENT = frozenset(
    {"UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "INTERNAL", "UNKNOWN"},
)
_ENVIRONMENT = frozenset({"PERMISSION_DENIED", "UNAUTHENTICATED", "UNIMPLEMENTED"})
_UNANSWERED = frozenset({"UNAVAILABLE", "DEADLINE_EXCEEDED"})
_OF_ONE_WORKFLOW = frozenset({"BUSY_WORKFLOW", "CONCURRENT_LIMIT"})


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of an attempt, to be written into the dispatch's row.

    ``open`` and ``waiting`` are retried after ``pause`` seconds. An ``open`` one without an error is
    not finished (for example, only its run was resolved) and continues at once.
    """

    state: DispatchState
    run_id: str | None = None
    error: str | None = None
    code: str | None = None
    """A stable word for the kind of fault, when there is one."""
    traceback: str | None = None
    """Of an unexpected exception."""
    pause: float = 0.0
    limited: bool = False
    """Whether the server asks all callers to slow down."""
    closure: Closure | None = None
    """The closure event to request, if this dispatch may have started the run."""
    unreachable: bool = False
    """Whether the server cannot be reached, so that other calls would fail too."""
    unanswered: bool = False
    """Whether the server did not answer, or cannot be reached."""

    @property
    def is_final(self) -> bool:
        """Whether the dispatch is settled: it is not tried again."""
        return self.state not in ("open", "waiting")


def classify(error: CallError) -> FailureClass:
    """Return the class of a failure.

    Uses codes and details only: the text of an error may quote the event.
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
    """Return the outcome of a dispatch whose call failed for the ``attempts``-th time."""
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
        unanswered=error.status in _UNANSWERED,
    )
