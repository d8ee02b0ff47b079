"""Which dead letters a command is about, as its flags say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cyclopts import Parameter

from bridge.cli import exits
from bridge.cli.exits import Exit


@Parameter(name="*", group="Selection")
@dataclass(frozen=True, kw_only=True)
class Which:
    """Conditions that must all hold."""

    stage: Literal["intake", "dispatch", "relay"] | None = None
    "Where it died."
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


ANY = Which()


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
