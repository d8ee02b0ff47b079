"""`Dispatchers`: the dispatchers of all namespaces, as intake sees them.

Each namespace has a dispatcher of its own, with its own lanes, pace and connection: a namespace that is
slow or away holds up only its own dispatches.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from bridge.dispatch.dispatcher import Dispatcher
from bridge.dispatch.handover import Fresh, Window
from bridge.dispatch.partitions import PARTITIONS, partition_of
from bridge.operations.base import Backlog

_ALL = range(PARTITIONS)

Windows = Mapping[str, Window]
"""By namespace."""


def have_room(windows: Windows) -> bool:
    """Return whether some of what is recorded in these windows may be handed over."""
    return any(window.room for window in windows.values())


class Dispatchers:
    """The dispatchers of all namespaces.

    Args:
        dispatchers: One for each namespace.
        partitions: Returns the partitions from which this daemon takes now.
    """

    def __init__(
        self,
        dispatchers: Sequence[Dispatcher],
        partitions: Callable[[], Collection[int]] = lambda: _ALL,
    ) -> None:
        self._dispatchers = dispatchers
        self._partitions = partitions
        self.announce: Callable[[Collection[int]], None] = lambda _: None
        """Called with the partitions of other daemons for which dispatches were recorded."""
        self.planned: Callable[[], None] = lambda: None
        """Called after dispatches were recorded that do not come from memory: some may have joined windows."""

    def wake(self) -> None:
        """Take dispatches from the table at once: some are due."""
        for each in self._dispatchers:
            each.wake()

    def wake_all(self) -> None:
        """Take dispatches and look for windows: another daemon has planned some for this one."""
        self.wake()
        self.planned()

    def __iter__(self) -> Iterator[Dispatcher]:
        return iter(self._dispatchers)

    @property
    def backlog(self) -> Backlog:
        """The open dispatches of the namespaces that answer; of all while none answers.

        Intake waits while these are too many. Waiting helps a namespace that is slow. For one that is away
        it would only hold up the others: its dispatches stay in the table until it returns.
        """
        counted = [each.backlog for each in self._counted()]
        return Backlog(
            sum(each.dispatches for each in counted), sum(each.bytes for each in counted)
        )

    def window(self) -> Windows:
        """Return windows for a recording that is about to begin; see `hand_over`."""
        return {each.namespace: each.window() for each in self._dispatchers}

    def hand_over(
        self,
        windows: Windows,
        planned: int,
        fresh: Sequence[Fresh],
        partitions: Collection[int] = _ALL,
    ) -> None:
        """Take dispatches that were just recorded: from memory where that is safe.

        Args:
            windows: Of the recording.
            planned: Number of planned dispatches.
            fresh: Those whose keys had nothing open, in position order, if a window has room.
            partitions: The partitions of all of them.
        """
        # Which namespace the others are for is known at its next count.
        self._counted()[0].count(planned)
        mine = self._partitions()
        theirs = [number for number in partitions if number not in mine]
        if theirs:
            self.announce(theirs)
        if len(theirs) == len(partitions):
            return
        for each in self._dispatchers:
            own = [
                one
                for one in fresh
                if one.dispatch.namespace == each.namespace
                and (not theirs or partition_of(one.dispatch.key) in mine)
            ]
            if own:
                each.hand_over(windows[each.namespace], own)
            if planned > len(fresh):
                each.wake()
        if planned > len(fresh):
            self.planned()

    def _counted(self) -> Sequence[Dispatcher]:
        answering = [each for each in self._dispatchers if each.is_answered]
        return answering or self._dispatchers
