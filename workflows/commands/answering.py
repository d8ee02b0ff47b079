"""Answers to the questions of runs: the event of an answer, and how the run takes it."""

import asyncio
import getpass
from typing import TYPE_CHECKING, Any

from workflows.commands.asked import CONFIRMATION, decision_text
from workflows.errors import CommandError

if TYPE_CHECKING:
    from workflows.commands.questions import Asking, Questions

GRANT, DENY, CONFIRM = "grant", "deny", "confirm"

_EXIT_USAGE = 2
_LOOK_EVERY = 0.1


def answers_to(asking: "Asking") -> tuple[str, ...]:
    """Return the answers that a question takes now."""
    if asking.state != "open":
        return ()
    return (CONFIRM if asking.about.endswith(CONFIRMATION) else GRANT, DENY)


def require_answerable(asking: "Asking", answer: str) -> None:
    """Refuse an answer that the question does not take.

    Raises:
        CommandError: It is decided or ended, or takes another answer.
    """
    possible = answers_to(asking)
    if not possible:
        raise CommandError(f"question {asking.number} is already {asking.state}")
    if answer not in possible:
        raise CommandError(
            f"question {asking.number} cannot be answered with {answer}; use "
            f"'ntbridge approvals {possible[0]}': {asking.asked.question}",
            _EXIT_USAGE,
        )


def event_of(
    asking: "Asking", who: str, why: str, *, approved: bool, source: str
) -> dict[str, Any]:
    """Return the event of an answer.

    Args:
        asking: The question.
        who: For whom the answer counts.
        why: The reason.
        approved: Whether it approves.
        source: Who really sent it, as a CloudEvents source.
    """
    asked = asking.asked
    return {
        "type": asked.answer_with,
        "source": source,
        "data": {
            "workflow_id": asked.workflow_id,
            "request": asked.request,
            "who": who,
            "approved": approved,
            "why": why,
        },
    }


async def heard(questions: "Questions", asking: "Asking", event: str) -> str:
    """Wait until the run has handled an answer; return the outcome in words.

    Raises:
        CommandError: The run rejected it, or it came too late.
    """
    while True:
        await questions.catch_up(asking)
        for refused in asking.refused:
            if refused.event == event:
                raise CommandError(f"the run rejected the answer: {refused.reason}")
        if (decision := asking.decision) is not None:
            if decision.event != event:
                raise CommandError(f"too late: {decision_text(decision)}")
            return f"{asking.asked.question} {decision_text(decision)}"
        if asking.ended is not None:
            raise CommandError("too late: the run has ended")
        await asyncio.sleep(_LOOK_EVERY)


def user() -> str:
    """Return the user of this machine."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
