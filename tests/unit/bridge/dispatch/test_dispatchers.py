"""What intake sees of the dispatchers of several namespaces."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from bridge.dispatch.dispatchers import Dispatchers
from bridge.dispatch.handover import Fresh, Window
from bridge.operations.base import Backlog
from tests.unit.bridge.builders import stored
from tests.unit.bridge.dispatch.builders import dispatch


@dataclass
class Counted:
    """A dispatcher, as far as intake is concerned."""

    backlog: Backlog
    namespace: str = ""
    is_answered: bool = True
    woken: int = 0
    handed: list[tuple[Window, Sequence[Fresh]]] = field(default_factory=list)

    def window(self) -> Window:
        return Window({})

    def wake(self) -> None:
        self.woken += 1

    def count(self, planned: int) -> None:
        self.backlog = self.backlog._replace(dispatches=self.backlog.dispatches + planned)

    def hand_over(self, window: Window, fresh: Sequence[Fresh]) -> None:
        self.handed.append((window, fresh))


def of(*dispatchers: Counted) -> Dispatchers:
    return Dispatchers(cast("Any", dispatchers))


def test_a_namespace_that_is_away_does_not_make_intake_wait() -> None:
    away = Counted(Backlog(90_000, 900), is_answered=False)
    here = Counted(Backlog(3, 30), "billing")
    both = of(away, here)
    assert both.backlog == Backlog(3, 30)
    both.hand_over(both.window(), 4, [])
    assert both.backlog == Backlog(7, 30)
    assert (away.woken, here.woken) == (1, 1)


def test_while_none_answers_all_count() -> None:
    one = Counted(Backlog(1, 10), is_answered=False)
    other = Counted(Backlog(2, 20), is_answered=False)
    assert of(one, other).backlog == Backlog(3, 30)


def test_each_namespace_gets_its_own_and_its_own_window() -> None:
    one, other = Counted(Backlog(0, 0)), Counted(Backlog(0, 0), "billing")
    both = of(one, other)
    windows = both.window()
    mine = Fresh(dispatch(1), stored())
    theirs = Fresh(dispatch(2, namespace="billing"), stored())
    unknown = Fresh(dispatch(3, namespace="removed"), stored())
    both.hand_over(windows, 3, [mine, theirs, unknown])
    assert one.handed == [(windows[""], [mine])]
    assert other.handed == [(windows["billing"], [theirs])]
    # All of them came: nothing is left to be read.
    assert (one.woken, other.woken) == (0, 0)
    both.hand_over(windows, 2, [mine])
    assert (one.woken, other.woken) == (1, 1)
