"""The page of the console with the questions of runs; see ``bridge.console.page_plugins``."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote

from workflows.commands.answering import DENY, answers_to, event_of, heard, require_answerable
from workflows.commands.asked import lines
from workflows.commands.questions import MAX_OPEN, OPEN, Asking, opened
from workflows.errors import CommandError
from workflows.pipelines.catalogue import QUESTIONS

_MAX_SHOWN = 100
_ANSWER_SECONDS = 20.0


class Host(Protocol):
    """What the console gives to a page."""

    @property
    def database_url(self) -> str: ...  # noqa: D102

    async def publish(self, members: Mapping[str, Any]) -> str:
        """Publish a domain event; return its id."""
        ...


@dataclass(frozen=True, slots=True)
class Question:
    """A question as the page shows it."""

    key: str
    title: str
    state: str
    lines: Sequence[tuple[str, str]]
    answers: Sequence[str]


class ApprovalsPage:
    """Lists the questions of the last 31 days, open ones first, and takes answers."""

    name = "approvals"
    title = "Approvals"
    empty = (
        "No run has asked a question in the last 31 days. Runs ask before they change production, for example: "
        "'ntbridge pipelines' shows where."
    )

    async def items(self, host: Host) -> Sequence[Question]:
        """Return the questions."""
        async with opened(host.database_url, QUESTIONS) as questions:
            # A question's clock and the database's may differ by seconds; the span is a month.
            found = await questions.find(datetime.now(UTC) - MAX_OPEN)
        found.sort(key=lambda each: (each.state != OPEN, -each.number))
        return [_shown(each) for each in found[:_MAX_SHOWN]]

    async def answer(self, host: Host, key: str, verb: str, who: str, why: str) -> str:
        """Answer for a person, and wait until the run has handled it.

        Raises:
            CommandError: It cannot be answered so, the run rejected it, or it was too late.
        """
        async with opened(host.database_url, QUESTIONS) as questions:
            asking = await questions.get(int(key)) if key.isdecimal() else None
            if asking is None:
                raise CommandError(f"question {key} does not exist")
            require_answerable(asking, verb)
            event = await host.publish(
                event_of(
                    asking,
                    who,
                    why,
                    approved=verb != DENY,
                    source=f"/ntbridge/console/{quote(who, safe='')}",
                )
            )
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    return await heard(questions, asking, event)
            except TimeoutError:
                return (
                    f"the answer was published, but the run did not handle it within {_ANSWER_SECONDS:g} s: "
                    f"see the event {event}"
                )


def _shown(asking: Asking) -> Question:
    hidden = {"question", "state", "answer with"}
    return Question(
        key=str(asking.number),
        title=asking.asked.question,
        state=asking.state,
        lines=[each for each in lines(asking) if each[0] not in hidden],
        answers=answers_to(asking),
    )


PAGE = ApprovalsPage()
