"""What ``ntbridge replay`` says about events that it does not send."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from bridge.cli import exits
from bridge.cli.common import note
from bridge.cli.progress import Bar
from bridge.history.replay.runner import Passed, without_body
from bridge.history.replay.selection import Selection
from bridge.history.replay.wording import events as events_in_words
from eventstore.events import StoredEvent
from eventstore.removals import Removals
from eventstore.store import EventStore

_REASONS_SHOWN = 5


@dataclass
class Report:
    """Prints events that could not be sent, and waits."""

    bar: Bar | None = None
    count: int = 0
    shown: list[Passed] = field(default_factory=list)

    def waiting(self, dispatches: int) -> None:
        """Show that the replay waits because so many dispatches are open; 0 ends the message."""
        if self.bar is not None:
            self.bar.say(f"waiting, {dispatches} dispatches are open" if dispatches else "")

    def add(self, passed: Passed) -> None:
        """Add an event that could not be sent."""
        self.count += 1
        if len(self.shown) < _REASONS_SHOWN:
            self.shown.append(passed)

    def finish(self) -> int:
        """Print the events that were not sent, and return the exit code."""
        for passed in self.shown:
            note(f"not sent, position {passed.position}: {passed.reason}")
        if self.count > len(self.shown):
            note(f"… and {self.count - len(self.shown)} more")
        return exits.FAILED if self.count else exits.OK


async def whole(
    events: AsyncIterator[StoredEvent], report: Report
) -> AsyncIterator[StoredEvent]:
    """Yield the events that have their bodies; report the others."""
    async for stored in events:
        if stored.removal is None:
            yield stored
        else:
            report.add(Passed(stored.position, without_body(stored)))


async def tell_removed(store: EventStore, selection: Selection, through: int) -> None:
    """Print what removed the bodies of selected events, and whether they can be read back."""
    found = await store.count_removed(selection.where, after=selection.after, through=through)
    removals = await Removals(store.database).get(list(found))
    for number, count in sorted(found.items()):
        removal = removals[number]
        fate = "not archived"
        if removal.archive is not None:
            reading = "read back" if selection.include_archive else "--include-archive reads it"
            fate = f"archived at {removal.archive} ({reading})"
        note(
            f"{events_in_words(count)} without data: {removal.kind} {removal.began_at:%Y-%m-%d} by "
            f"{removal.who} ({removal.why}), {fate}"
        )
