"""`Dispatchers`: the dispatchers of all namespaces, as intake sees them.

Each namespace has a dispatcher of its own, with its own lanes, pace and connection: a namespace that is
slow or away holds up only its own dispatches.
"""

from collections.abc import Iterator, Sequence

from bridge.dispatch.dispatcher import Dispatcher
from bridge.operations.base import Backlog


class Dispatchers:
    """The dispatchers of all namespaces.

    Args:
        dispatchers: One for each namespace.
    """

    def __init__(self, dispatchers: Sequence[Dispatcher]) -> None:
        self._dispatchers = dispatchers

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

    def wake(self, planned: int = 0) -> None:
        """Take dispatches at once, in every namespace: some were planned."""
        first = self._counted()[0]
        for each in self._dispatchers:
            # Which namespace they are for is known at its next count.
            each.wake(planned if each is first else 0)

    def _counted(self) -> Sequence[Dispatcher]:
        answering = [each for each in self._dispatchers if each.is_answered]
        return answering or self._dispatchers
