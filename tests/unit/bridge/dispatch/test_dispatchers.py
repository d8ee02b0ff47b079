"""What intake sees of the dispatchers of several namespaces."""

from dataclasses import dataclass
from typing import Any, cast

from bridge.dispatch.dispatchers import Dispatchers
from bridge.operations.base import Backlog


@dataclass
class Counted:
    """A dispatcher, as far as its count is concerned."""

    backlog: Backlog
    is_answered: bool = True
    woken: int = 0

    def wake(self, planned: int = 0) -> None:
        self.woken += 1
        self.backlog = self.backlog._replace(dispatches=self.backlog.dispatches + planned)


def of(*dispatchers: Counted) -> Dispatchers:
    return Dispatchers(cast("Any", dispatchers))


def test_a_namespace_that_is_away_does_not_make_intake_wait() -> None:
    away, here = Counted(Backlog(90_000, 900), is_answered=False), Counted(Backlog(3, 30))
    both = of(away, here)
    assert both.backlog == Backlog(3, 30)
    both.wake(4)
    assert both.backlog == Backlog(7, 30)
    assert (away.woken, here.woken) == (1, 1)


def test_while_none_answers_all_count() -> None:
    one = Counted(Backlog(1, 10), is_answered=False)
    other = Counted(Backlog(2, 20), is_answered=False)
    assert of(one, other).backlog == Backlog(3, 30)
