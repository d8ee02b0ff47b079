"""When trying again has an end. Pure."""

from datetime import datetime, timedelta

from msgspec.structs import replace

from bridge.operations.base import Dispatch
from bridge.operations.outcomes import Outcome

_UNEXPLAINED_ATTEMPTS = 5


def give_up_in_time(outcome: Outcome, dispatch: Dispatch, now: datetime) -> Outcome:
    """Turn an outcome that would be tried again into a dead one when its end has come.

    The route's ``give_up_after`` ends what fails; being told to slow down is no failure. A bug
    of ours ends after a few attempts. A wait ends with its time to live.
    """
    if outcome.state == "waiting":
        over = dispatch.waiting_until is not None and now >= dispatch.waiting_until
        return replace(outcome, state="dead", code="waited-in-vain") if over else outcome
    slowed = outcome.limited or outcome.code == "rate-limited"
    if outcome.state != "open" or outcome.error is None or slowed:
        return outcome
    attempts = dispatch.attempts + 1
    too_often = dispatch.give_up_attempts is not None and attempts >= dispatch.give_up_attempts
    too_long = dispatch.give_up_seconds is not None and (
        now - dispatch.planned_at >= timedelta(seconds=dispatch.give_up_seconds)
    )
    quarantined = outcome.code == "unexplained" and attempts >= _UNEXPLAINED_ATTEMPTS
    if too_often or too_long or quarantined:
        return replace(outcome, state="dead")
    return outcome
