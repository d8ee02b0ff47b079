"""``ntbridge approvals``: list the questions of runs and answer them."""

import asyncio
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import quote

from cyclopts import App, Parameter

from bridge.runtime.terminal import examples_of
from workflows.commands.answering import (
    CONFIRM,
    DENY,
    GRANT,
    event_of,
    heard,
    require_answerable,
    user,
)
from workflows.commands.asked import COLUMNS, lines, row, whole
from workflows.commands.host import ColumnsFlag, GivenHost, Host, OutputFlag, SecondsFlag
from workflows.errors import CommandError
from workflows.pipelines.catalogue import QUESTIONS

if TYPE_CHECKING:
    from workflows.commands.questions import Asking, Questions

app = App(
    name="approvals",
    help="List and answer the questions of runs. An answer counts for the person it names, so "
    "anyone who may publish on the answer subjects can answer for everyone.",
)

EXIT_TIMED_OUT = 5

Why = Annotated[str, Parameter(help="The reason; it is stored with the answer.")]
Reference = Annotated[
    str, Parameter(help="Number of the question, or id of the workflow that asks.")
]


@app.command(
    help_epilogue=examples_of(
        [
            "ntbridge approvals ls",
            "ntbridge approvals ls --state any --columns number,state,question",
        ]
    )
)
async def ls(
    *,
    state: Literal["open", "granted", "denied", "timed-out", "ended", "any"] = "open",
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
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
        table (in a terminal), ndjson (in a pipe), wide, json or yaml.
    """
    from workflows.commands.questions import MAX_OPEN, opened

    async with opened(host.servers.database_url, QUESTIONS) as questions:
        found = await questions.find(datetime.now(UTC) - MAX_OPEN)
    rows = [row(each) for each in found if state in ("any", each.state)]
    if not rows:
        host.note("no open question" if state == "open" else "no such question")
    host.printer(output, COLUMNS, columns).all(rows)


@app.command(help_epilogue=examples_of(["ntbridge approvals show 12"]))
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
    if printer.is_table:
        printer.all([{"what": what, "says": says} for what, says in lines(asking)])
    else:
        printer.all([whole(asking)])


@app.command(help_epilogue=examples_of(["ntbridge approvals grant 12 --why 'read the plan'"]))
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
    return await _answer(host, which, who, why, timeout, GRANT)


@app.command(help_epilogue=examples_of(["ntbridge approvals deny 12 --why 'too large'"]))
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
    return await _answer(host, which, who, why, timeout, DENY)


@app.command(help_epilogue=examples_of(["ntbridge approvals confirm 13"]))
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
    return await _answer(host, which, who, why, timeout, CONFIRM)


async def _answer(
    host: Host,
    which: str,
    who: str | None,
    why: str,
    timeout: float,  # noqa: ASYNC109 - what the person asked for
    answer: str,
) -> int:
    from workflows.commands.questions import opened

    async with opened(host.servers.database_url, QUESTIONS) as questions:
        asking = await _find(questions, which)
        require_answerable(asking, answer)
        # The person at this machine, even if the answer names another person.
        source = f"/ntbridge/approvals/{quote(f'{user()}@{socket.gethostname()}')}"
        event = await host.publish(
            event_of(asking, who or user(), why, approved=answer != DENY, source=source)
        )
        try:
            async with asyncio.timeout(timeout):
                host.note(await heard(questions, asking, event))
        except TimeoutError:
            host.note(
                f"the run did not handle the answer within {timeout:g} s; check it with "
                f"'ntbridge events explain {event}'"
            )
            return EXIT_TIMED_OUT
        return 0


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
