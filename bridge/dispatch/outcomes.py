"""What a call's answer means for its dispatch. Pure decisions; the one table of failures.

=====================  ==================================================================
class                  what follows
=====================  ==================================================================
transient              the dispatch stays open and is tried again after a growing pause
rate-limited           likewise
environment            likewise: nothing is wrong with the event (no permission, namespace
                       or search attribute missing), and mending the setting mends it
permanent              the event cannot be dispatched by this route: a dead letter
=====================  ==================================================================
"""

import random
from typing import Literal

import msgspec

from bridge.calls import CallError

FailureClass = Literal["transient", "rate-limited", "environment", "permanent"]
State = Literal["open", "done", "duplicate", "collision", "dead"]

_FIRST_PAUSE_SECONDS = 0.2
_LONGEST_PAUSE_SECONDS = 10.0

_TRANSIENT = frozenset(
    {"UNAVAILABLE", "CANCELLED", "DEADLINE_EXCEEDED", "ABORTED", "INTERNAL", "UNKNOWN"},
)
# NOT_FOUND answers a start only when the namespace does not exist.
_ENVIRONMENT = frozenset({"PERMISSION_DENIED", "UNAUTHENTICATED", "NOT_FOUND", "UNIMPLEMENTED"})
_UNREGISTERED = "no mapping defined for search attribute"


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What is written into the dispatch's row."""

    state: State
    run_id: str | None = None
    error: str | None = None
    code: str | None = None
    """A stable word for the kind of fault, when there is one."""
    pause: float = 0.0
    """Seconds until the next attempt, for a dispatch that stays open."""


def classify(error: CallError) -> FailureClass:
    """Return what kind of failure Temporal's answer is."""
    if error.status == "RESOURCE_EXHAUSTED":
        # Without naming a limit it means that the message is too large, now and for ever.
        return "rate-limited" if error.limited else "permanent"
    if error.status in _TRANSIENT:
        return "transient"
    if error.status in _ENVIRONMENT or _UNREGISTERED in error.message.lower():
        return "environment"
    return "permanent"


def after_failure(error: CallError, attempts: int) -> Outcome:
    """Return what becomes of a dispatch whose call failed for the ``attempts``-th time."""
    kind = classify(error)
    if kind == "permanent":
        return Outcome(state="dead", error=str(error), code=kind)
    return Outcome(state="open", error=str(error), code=kind, pause=backoff(attempts))


def backoff(attempts: int) -> float:
    """Return how long to wait after a number of attempts: doubling, capped, with jitter.

    "Full jitter" halved: between half and the whole of the doubled pause, in seconds (Brooker,
    "Exponential Backoff And Jitter", 2015).
    """
    pause = min(_FIRST_PAUSE_SECONDS * 2.0 ** min(attempts - 1, 16), _LONGEST_PAUSE_SECONDS)
    return pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
