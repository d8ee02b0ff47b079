"""For each test of the contract there is a monitor with one fault that fails it.

The one that ships passes it in ``tests/integration/workflows/services/test_contracts.py``.
"""

from hashlib import sha256

import pytest
from typing_extensions import override

from tests.support.wrong_adapters import contract_tests, fails
from workflows.errors import RunUndoneError
from workflows.messages.monitoring import (
    Monitoring,
    MonitoringRemoved,
    MonitoringRequest,
    RemoveMonitoringRequest,
)
from workflows.ports import Monitor
from workflows.testing.monitor import MonitorContract, Watched


class Right:
    """A monitor in memory that does what it should; each of the others has one fault."""

    def __init__(self) -> None:
        self.keys: dict[str, str] = {}
        self.closed: set[str] = set()

    async def watched(self) -> set[str]:
        return set(self.keys)

    async def set_up(self, request: MonitoringRequest) -> Monitoring:
        if request.key in self.closed:
            raise RunUndoneError(request.key)
        self.keys[request.service] = request.key
        return Monitoring(
            environment=request.environment,
            service=request.service,
            file="rules",
            records=(),
            alerts=("ServiceDown",),
            sha256=sha256(str(request.availability).encode()).hexdigest(),
        )

    async def remove(self, request: RemoveMonitoringRequest) -> MonitoringRemoved:
        if request.key is not None:
            self.closed.add(request.key)
        there = self.keys.get(request.service)
        removed = there is not None and request.key in {None, there}
        if removed:
            del self.keys[request.service]
        return MonitoringRemoved(
            environment=request.environment, service=request.service, removed=removed
        )


class Silent(Right):
    @override
    async def set_up(self, request: MonitoringRequest) -> Monitoring:
        return (await super().set_up(request)).model_copy(update={"alerts": ()})


class Doubling(Right):
    @override
    async def set_up(self, request: MonitoringRequest) -> Monitoring:
        service = f"{request.service}-2" if request.service in self.keys else request.service
        return await super().set_up(request.model_copy(update={"service": service}))


class Keyless(Right):
    @override
    async def remove(self, request: RemoveMonitoringRequest) -> MonitoringRemoved:
        return await super().remove(request.model_copy(update={"key": None}))


class Greedy(Right):
    @override
    async def remove(self, request: RemoveMonitoringRequest) -> MonitoringRemoved:
        done = await super().remove(request)
        self.keys.clear()
        return done


class Boastful(Right):
    @override
    async def remove(self, request: RemoveMonitoringRequest) -> MonitoringRemoved:
        return (await super().remove(request)).model_copy(update={"removed": True})


class Example(MonitorContract):
    __test__ = False


class TestRight(Example):
    __test__ = True

    @pytest.fixture
    def monitor(self) -> Monitor:
        return Right()

    @pytest.fixture
    def watched(self, monitor: Right) -> Watched:
        return monitor.watched


WRONG: dict[str, type[Right]] = {
    "test_it_watches_the_service": Silent,
    "test_a_repeat_changes_nothing": Doubling,
    "test_later_rules_replace_earlier_ones": Keyless,
    "test_services_do_not_touch_each_other": Greedy,
    "test_removing_is_harmless_when_there_is_nothing": Boastful,
    "test_a_late_attempt_after_the_removal_is_refused": Keyless,
}


@pytest.mark.parametrize("test", WRONG)
async def test_a_wrong_monitor_fails(test: str) -> None:
    wrong = WRONG[test]()
    await fails(Example(), test, {"monitor": wrong, "watched": wrong.watched})


def test_each_test_has_one_that_fails_it() -> None:
    assert set(WRONG) == contract_tests(MonitorContract)
