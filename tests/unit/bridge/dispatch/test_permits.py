"""Which units of a limit a daemon passes on."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from typing_extensions import override

from bridge.dispatch.permits import Limit
from bridge.dispatch.sharing import Kind
from bridge.dispatch.throttle import Group, Share, Throttle, Whole
from tests.support.daemon_parts import route

if TYPE_CHECKING:
    from eventstore.leases import Lease

GROUP = Group("shop", "")


class Part(Whole):
    """This daemon's part of one limit."""

    def __init__(self, limit: Limit) -> None:
        super().__init__()
        self._limit = limit

    @override
    def share(self, route: str, kind: Kind, limit: int) -> Share:
        self._limit.share.value = self._limit.value
        return self._limit.share


def unit(free_since: float) -> "Lease":
    """The lease of a unit that another daemon has released."""
    return cast("Lease", SimpleNamespace(free_since=free_since))


def test_a_part_that_has_to_pay_for_its_growth_does_not_pass_on_as_a_whole() -> None:
    limit = Limit("shop", "rate", 2)
    shop = route("shop", rate={"limit": 2, "per": "1s"})
    throttle = Throttle({"shop": shop}.get, Part(limit))
    limit.gain(0, unit(0.0), 0.0)
    assert throttle.admit(GROUP, 0.0) == 1.0
    assert throttle.admit(GROUP, 1.0) == 0.0
    # The second unit may have been used until now by the daemon that released it.
    limit.gain(1, unit(1.25), 1.25)
    assert throttle.admit(GROUP, 1.25) > 0.75
    assert limit.let_go(0, 1.3) == []
    assert limit.let_go(1, 1.3) != []
    assert limit.let_go(0, 3.0) != []
    assert limit.value == 0
