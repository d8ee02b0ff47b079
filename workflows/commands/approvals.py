"""``ntbridge approvals``: list the questions of runs and answer them."""

import asyncio
import getpass
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

from cyclopts import App, Parameter

from workflows.commands.asked import COLUMNS, CONFIRMATION, decision_text, lines, row, whole
from workflows.commands.host import GivenHost, Host, OutputFlag, SecondsFlag
from workflows.errors import CommandError
from workflows.pipelines.catalogue import QUESTIONS

if TYPE_CHECKING:
    from workflows.commands.questions import Asking, Questions

app = App(
    name="approvals",
    help="List and answer the questions of runs. An answer counts for the person it names, so "
    "anyone who may publish on the answer subjects can answer for everyone.",
)

EXIT_USAGE, EXIT_TIMED_OUT = 2, 5
_LOOK_EVERY = 0.1

Why = Annotated[str, Parameter(help="The reason; it is stored with the answer.")]
Reference = Annotated[
    str, Parameter(help="Number of the question, or id of the workflow that asks.")
]


@app.command
async def ls(
    *,
    state: Literal["open", "granted", "denied", "timed-out", "ended", "any"] = "open",
    output: OutputFlag = None,
    host: GivenHost,
) -> None:
    """List the questions of the last 31 days, the oldest first.

    The list comes from the event store. A question is open while it is not decided and its run
    has not ended.

    Parameters
    ----------
    state:
        Show only questions in this state; ended: the run ended without a decision.
    output:
        table (in a terminal), ndjson (in a pipe) or json.
    """
    from workflows.commands.questions import MAX_OPEN, opened

    async with opened(host.servers.database_url, QUESTIONS) as questions:
        found = await questions.find(datetime.now(UTC) - MAX_OPEN)
    rows = [row(each) for each in found if state in ("any", each.state)]
    if not rows:
        host.note("no open question" if state == "open" else "no such question")
    host.printer(output, COLUMNS).all(rows)


@app.command
async def show(which: Reference, *, output: OutputFlag = None, host: GivenHost) -> None:
    """Show a question: its subject, who may answer, and the answers so far.

    Parameters
    ----------
    output:
        table (for people), or json.
    """
    from workflows.commands.questions import opened

    async with opened(host.servers.database_url, QUESTIONS) as questions:
        asking = await _find(questions, which)
    printer = host.printer(output, ("what", "says"))
    if printer.output == "table":
        printer.all([{"what": what, "says": says} for what, says in lines(asking)])
    else:
        printer.all([whole(asking)])


@app.command
async def grant(
    which: Reference,
    *,
    why: Why,
    who: str | None = None,
    timeout: SecondsFlag = 30,  # noqa: ASYNC109 - a flag
    host: GivenHost,
) -> int:
    """Approve a question.

    Publishes the answer as an event and waits until the run accepts it. If the run rejects the
    answer, prints the reason and exits with code 1.

    Parameters
    ----------
    who:
        Who approves; default: the user of this machine.
    timeout:
        Seconds to wait for the run; exit code 5 if it does not answer in time.
    """
    return await _answer(host, which, who, why, timeout, approved=True, confirmation=False)


@app.command
async def deny(
    which: Reference,
    *,
    why: Why,
    who: str | None = None,
    timeout: SecondsFlag = 30,  # noqa: ASYNC109 - a flag
    host: GivenHost,
) -> int:
    """Deny a question, or an approval that waits for confirmation.

    Parameters
    ----------
    who:
        Who denies; default: the user of this machine.
    timeout:
        Seconds to wait for the run; exit code 5 if it does not answer in time.
    """
    return await _answer(host, which, who, why, timeout, approved=False, confirmation=None)


@app.command
async def confirm(
    which: Reference,
    *,
    why: Why = "",
    who: str | None = None,
    timeout: SecondsFlag = 30,  # noqa: ASYNC109 - a flag
    host: GivenHost,
) -> int:
    """Confirm an approval; the run then continues.

    Parameters
    ----------
    who:
        Who confirms; default: the user of this machine.
    timeout:
        Seconds to wait for the run; exit code 5 if it does not answer in time.
    """
    return await _answer(host, which, who, why, timeout, approved=True, confirmation=True)


async def _answer(
    host: Host,
    which: str,
    who: str | None,
    why: str,
    timeout: float,  # noqa: ASYNC109 - what the person asked for
    *,
    approved: bool,
    confirmation: bool | None,
) -> int:
    from workflows.commands.questions import OPEN, opened

    async with opened(host.servers.database_url, QUESTIONS) as questions:
        asking = await _find(questions, which)
        if asking.state != OPEN:
            raise CommandError(f"question {asking.number} is already {asking.state}")
        if confirmation is not None and confirmation != asking.about.endswith(CONFIRMATION):
            wanted, other = ("confirm", "grant") if confirmation else ("grant", "confirm")
            raise CommandError(
                f"question {asking.number} cannot be answered with {wanted}; use "
                f"'ntbridge approvals {other}': {asking.asked.question}",
                EXIT_USAGE,
            )
        event = await host.publish(_event(asking, who or _user(), why, approved=approved))
        return await _heard(host, questions, asking, event, timeout)


async def _heard(
    host: Host,
    questions: "Questions",
    asking: "Asking",
    event: str,
    timeout: float,  # noqa: ASYNC109 - what the person asked for
) -> int:
    """Wait until the run has handled the answer; print the outcome."""
    try:
        async with asyncio.timeout(timeout):
            while True:
                await questions.catch_up(asking)
                for refused in asking.refused:
                    if refused.event == event:
                        raise CommandError(f"the run rejected the answer: {refused.reason}")
                if (decision := asking.decision) is not None:
                    if decision.event != event:
                        raise CommandError(f"too late: {decision_text(decision)}")
                    host.note(f"{asking.asked.question} {decision_text(decision)}")
                    return 0
                if asking.ended is not None:
                    raise CommandError("too late: the run has ended")
                await asyncio.sleep(_LOOK_EVERY)
    except TimeoutError:
        host.note(
            f"the run did not handle the answer within {timeout:g} s; check it with "
            f"'ntbridge events explain {event}'"
        )
        return EXIT_TIMED_OUT


def _event(asking: "Asking", who: str, why: str, *, approved: bool) -> dict[str, Any]:
    asked = asking.asked
    return {
        "type": asked.answer_with,
        # The person at this machine, even if the answer names another person.
        "source": f"/ntbridge/approvals/{quote(f'{_user()}@{socket.gethostname()}')}",
        "data": {
            "workflow_id": asked.workflow_id,
            "request": asked.request,
            "who": who,
            "approved": approved,
            "why": why,
        },
    }


async def _find(questions: "Questions", which: str) -> "Asking":
    """Return the question with this number, or the latest question of a workflow.

    Raises:
        CommandError: No such question exists.
    """
    from workflows.commands.questions import MAX_OPEN

    if which.isdecimal():
        asking = await questions.get(int(which))
        if asking is None:
            raise CommandError(f"question {which} does not exist: see 'ntbridge approvals ls'")
        return asking
    found = [
        each
        for each in await questions.find(datetime.now(UTC) - MAX_OPEN)
        if each.asked.workflow_id == which
    ]
    if not found:
        raise CommandError(
            f"workflow {which} has asked no question: see 'ntbridge approvals ls'"
        )
    return found[-1]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
