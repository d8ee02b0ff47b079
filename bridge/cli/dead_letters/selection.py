"""The selected dead letters, and the question before a command changes many."""

from collections.abc import AsyncIterator, Sequence

from bridge.cli.common import ask, note, point_in_time
from bridge.cli.dead_letters.flags import FilterFlags
from bridge.dead_letters.store import DeadLetters, LetterFilter, LetterState
from eventstore.store import EventStore

_ASK_ABOVE = 10
"""More dead letters than this are changed only after a confirmation."""


async def selection_of(
    store: EventStore, chosen: FilterFlags, ids: Sequence[int], state: LetterState | None
) -> LetterFilter:
    """Return the selection of a filter, with numbers and a state."""
    return LetterFilter(
        ids=tuple(ids) or None,
        state=state,
        stage=chosen.stage,
        code=chosen.code,
        route=chosen.route,
        event=chosen.event,
        type=chosen.type,
        since=await store.time_of(point_in_time(chosen.since)),
        until=await store.time_of(point_in_time(chosen.until)),
    )


async def count_and_ask(
    letters: DeadLetters, selection: LetterFilter, verb: str, *, sure: bool
) -> tuple[int, int]:
    """Print how many dead letters are selected, and ask if they are many; return count and last id.

    Raises:
        Exit: The user answered no, or standard input is not a terminal.
    """
    groups = await letters.count(selection)
    total = sum(group.letters for group in groups)
    note(f"{total} open dead {'letter' if total == 1 else 'letters'} selected")
    for group in groups:
        by = f" by route {group.route}" if group.route else ""
        note(f"  {group.letters} {group.stage} {group.code}{by}")
    if total > _ASK_ABOVE and not sure:
        ask(f"{verb} all {total}?")
    return total, max((group.last_id for group in groups), default=0)


async def in_batches(ids: AsyncIterator[int], most: int) -> AsyncIterator[list[int]]:
    """Yield numbers in lists of at most ``most``."""
    batch: list[int] = []
    async for number in ids:
        batch.append(number)
        if len(batch) == most:
            yield batch
            batch = []
    if batch:
        yield batch
