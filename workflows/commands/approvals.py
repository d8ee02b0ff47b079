"""``ntbridge approvals``: what runs ask people, and their answers."""

import asyncio
import getpass
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

from cyclopts import App, Parameter

from workflows.commands.asked import COLUMNS, CONFIRMATION, lines, row, told, whole
from workflows.commands.host import GivenHost, Host, OutputFlag, SecondsFlag
from workflows.errors import CommandError
from workflows.pipelines.catalogue import QUESTIONS

if TYPE_CHECKING:
    from workflows.commands.questions import Asking, Questions

app = App(
    name="approvals",
    help="What runs ask people: look at the questions, and answer them. An answer counts for "
    "whom it names, so whoever may publish on the subjects of the answers may answer for all.",
)

EXIT_USAGE, EXIT_TIMED_OUT = 2, 5
_LOOK_EVERY = 0.1

Why = Annotated[str, Parameter(help="The reason, for those who ask later.")]
Reference = Annotated[
    str, Parameter(help="The number of the question, or the id of the workflow that asks.")
]


@app.command
async def ls(
    *,
    state: Literal["open", "granted", "denied", "timed-out", "ended", "any"] = "open",
    output: OutputFlag = None,
    host: GivenHost,
) -> None:
    """List the questions of the last 31 days, the oldest first.

    The record is the event store: a question is open when it was asked and not decided, and its
    run has not ended.

    Parameters
    ----------
    state:
        Only those in this state; ended: the run ended before anybody decided.
    output:
        table (in a terminal), ndjson (in a pipe) or json.
    """
    from workflows.commands.questions import LONGEST, opened

    async with opened(host.servers.database_url, QUESTIONS) as questions:
        found = await questions.find(datetime.now(UTC) - LONGEST)
    rows = [row(each) for each in found if state in ("any", each.state)]
    if not rows:
        host.note("no open question" if state == "open" else "no such question")
    host.printer(output, COLUMNS).all(rows)


@app.command
async def show(which: Reference, *, output: OutputFlag = None, host: GivenHost) -> None:
    """Show a question: what it is about, who may answer, and what was said so far.

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
    """Approve what a question asks for.

    Publishes the answer as an event, as anybody may who is allowed to, and waits until the run
    has taken it, or says why it does not count (exit code 1).

    Parameters
    ----------
    who:
        Who approves; by default the user of this machine.
    timeout:
        Seconds to wait for the run; exit code 5 when it does not answer in time.
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
    """Refuse what a question asks for, or what was approved and is to be confirmed.

    Parameters
    ----------
    who:
        Who refuses; by default the user of this machine.
    timeout:
        Seconds to wait for the run; exit code 5 when it does not answer in time.
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
    """Confirm what was approved: it is done then.

    Parameters
    ----------
    who:
        Who confirms; by default the user of this machine.
    timeout:
        Seconds to wait for the run; exit code 5 when it does not answer in time.
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
            raise CommandError(f"question {asking.number} is {asking.state}: too late")
        if confirmation is not None and confirmation != asking.about.endswith(CONFIRMATION):
            wanted, other = ("confirm", "grant") if confirmation else ("grant", "confirm")
            raise CommandError(
                f"question {asking.number} is not to be answered with {wanted}, but with "
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
    """Wait until the run has taken the answer; say what came of it."""
    try:
        async with asyncio.timeout(timeout):
            while True:
                await questions.catch_up(asking)
                for refused in asking.refused:
                    if refused.event == event:
                        raise CommandError(f"the answer does not count: {refused.reason}")
                if (decision := asking.decision) is not None:
                    if decision.event != event:
                        raise CommandError(f"too late: {told(decision)}")
                    host.note(f"{asking.asked.question} {told(decision)}")
                    return 0
                if asking.ended is not None:
                    raise CommandError("too late: the run has ended")
                await asyncio.sleep(_LOOK_EVERY)
    except TimeoutError:
        host.note(
            f"the run has not taken the answer within {timeout:g} s; what becomes of it says "
            f"'ntbridge events explain {event}'"
        )
        return EXIT_TIMED_OUT


def _event(asking: "Asking", who: str, why: str, *, approved: bool) -> dict[str, Any]:
    asked = asking.asked
    return {
        "type": asked.answer_with,
        # Who is at the keyboard, whatever name the answer bears.
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
    """Return the question of a number, or the latest that a workflow has asked.

    Raises:
        CommandError: There is none.
    """
    from workflows.commands.questions import LONGEST

    if which.isdecimal():
        asking = await questions.get(int(which))
        if asking is None:
            raise CommandError(f"there is no question {which}: see 'ntbridge approvals ls'")
        return asking
    found = [
        each
        for each in await questions.find(datetime.now(UTC) - LONGEST)
        if each.asked.workflow_id == which
    ]
    if not found:
        raise CommandError(f"no workflow {which} asks anything: see 'ntbridge approvals ls'")
    return found[-1]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
