"""Flags that select dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from cyclopts import Parameter

from bridge.cli import exits
from bridge.cli.exits import Exit


@Parameter(name="*", group="Selection")
@dataclass(frozen=True, kw_only=True)
class FilterFlags:
    """Conditions that must all hold."""

    stage: Literal["intake", "dispatch", "relay"] | None = None
    "Stage at which it failed."
    code: str | None = None
    "Kind of failure, as ls shows it."
    route: str | None = None
    "Route of the dispatch."
    event: str | None = None
    "Id or uid of the event; also an id found in a message that cannot be decoded."
    type: str | None = None
    "CloudEvents type of the event."
    since: str | None = None
    "Recorded since: 10m, 1h30m (ago) or an ISO 8601 time."
    until: str | None = None
    "Recorded before."


ANY = FilterFlags()


def require_choice(numbers: Sequence[int], chosen: FilterFlags, *, everything: bool) -> None:
    """Require that the flags select dead letters.

    Raises:
        Exit: No number, no filter and no --all was given.
    """
    if not numbers and chosen == ANY and not everything:
        raise Exit(
            exits.USAGE,
            "select dead letters: give numbers, a filter (--code, --route, …) or --all",
        )
