"""Which dead letters a command is about, and the question before it touches many."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass

from cyclopts import Parameter

from bridge.cli import exits
from bridge.cli.common import note, point_in_time
from bridge.cli.exits import Exit
from bridge.dead_letters.kept import DeadLetters, LetterState, Selection
from bridge.dead_letters.letters import Stage

_ASK_ABOVE = 10
"""More letters than this are not touched without a word from the person."""


@Parameter(name="*", group="Selection")
@dataclass(frozen=True, kw_only=True)
class Which:
    """Conditions that must all hold."""

    stage: Stage | None = None
    "intake, dispatch or relay."
    code: str | None = None
    "The kind of fault, as ls shows it."
    route: str | None = None
    "The route whose dispatch died."
    event: str | None = None
    "The event's id or uid; the id also as an undecodable message gives it."
    type: str | None = None
    "The event's CloudEvents type."
    since: str | None = None
    "Recorded since: 10m, 2h (ago) or an ISO 8601 time."
    until: str | None = None
    "Recorded before."

    def selection(self, ids: Sequence[int], state: LetterState | None) -> Selection:
        """Return what is meant, together with numbers and a state."""
        return Selection(
            ids=tuple(ids) or None,
            state=state,
            stage=self.stage,
            code=self.code,
            route=self.route,
            event=self.event,
            type=self.type,
            since=point_in_time(self.since),
            until=point_in_time(self.until),
        )


ANY = Which()


async def count_and_ask(
    letters: DeadLetters, selection: Selection, verb: str, *, sure: bool
) -> tuple[int, int]:
    """Tell how many letters it is about, and have many confirmed; return count and last id.

    Raises:
        Exit: The person said no, or there is none to ask.
    """
    groups = await letters.count(selection)
    total = sum(group.letters for group in groups)
    note(f"{total} open {'letter' if total == 1 else 'letters'} selected")
    for group in groups:
        by = f" by route {group.route}" if group.route else ""
        note(f"  {group.letters} {group.stage} {group.code}{by}")
    if total > _ASK_ABOVE and not sure:
        _ask(f"{verb} all {total}?")
    return total, max((group.last_id for group in groups), default=0)


def _ask(question: str) -> None:
    if not sys.stdin.isatty():
        raise Exit(exits.USAGE, f"{question} Give --yes to say so, or --dry-run to see more")
    print(f"ntbridge: {question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise Exit(exits.FAILED, "nothing was done")


def require_choice(numbers: Sequence[int], which: Which, *, everything: bool) -> None:
    """See that somebody who names nothing has not forgotten it.

    Raises:
        Exit: Neither numbers nor a condition nor everything was asked for.
    """
    if not numbers and which == ANY and not everything:
        raise Exit(
            exits.USAGE,
            "say which: numbers of letters, a filter (--code, --route, …), or --all",
        )
