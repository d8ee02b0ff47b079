"""The dead letters that were chosen, and the question before a command touches many."""

from collections.abc import AsyncIterator, Sequence

from bridge.cli.common import ask, note, point_in_time
from bridge.cli.dead_letters.flags import Which
from bridge.dead_letters.store import DeadLetters, LetterState, Selection

_ASK_ABOVE = 10
"""More letters than this are not touched without a word from the person."""


def selection_of(which: Which, ids: Sequence[int], state: LetterState | None) -> Selection:
    """Return what is meant, together with numbers and a state."""
    return Selection(
        ids=tuple(ids) or None,
        state=state,
        stage=which.stage,
        code=which.code,
        route=which.route,
        event=which.event,
        type=which.type,
        since=point_in_time(which.since),
        until=point_in_time(which.until),
    )


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
        ask(f"{verb} all {total}?")
    return total, max((group.last_id for group in groups), default=0)


async def in_batches(ids: AsyncIterator[int], most: int) -> AsyncIterator[list[int]]:
    """Yield numbers by lists of so many."""
    batch: list[int] = []
    async for number in ids:
        batch.append(number)
        if len(batch) == most:
            yield batch
            batch = []
    if batch:
        yield batch
