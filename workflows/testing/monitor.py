"""The contract of monitors."""

from collections.abc import Awaitable, Callable

import pytest

from workflows.errors import RunUndoneError
from workflows.messages.monitoring import MonitoringRequest, RemoveMonitoringRequest
from workflows.ports import Monitor

ENVIRONMENT = "staging"

Watched = Callable[[], Awaitable[set[str]]]
"""Return the services of ``ENVIRONMENT`` that are monitored."""


class MonitorContract:
    """What every ``Monitor`` guarantees. Needs the fixtures ``monitor`` and ``watched``.

    ``watched`` is a coroutine function that looks at the monitoring system itself: it returns the
    names of the services in ``ENVIRONMENT`` that it watches.
    """

    async def test_it_watches_the_service(self, monitor: Monitor, watched: Watched) -> None:
        done = await monitor.set_up(_wanted("shop", "one"))
        assert await watched() == {"shop"}
        assert done.alerts, "nobody would be alerted"

    async def test_a_repeat_changes_nothing(self, monitor: Monitor, watched: Watched) -> None:
        first = await monitor.set_up(_wanted("shop", "one"))
        assert await monitor.set_up(_wanted("shop", "one")) == first
        assert await watched() == {"shop"}

    async def test_later_rules_replace_earlier_ones(self, monitor: Monitor) -> None:
        first = await monitor.set_up(_wanted("shop", "one"))
        second = await monitor.set_up(_wanted("shop", "two", availability=0.9))
        assert first.sha256 != second.sha256, "the rules are the same as before"
        late = RemoveMonitoringRequest(environment=ENVIRONMENT, service="shop", key="one")
        removed = await monitor.remove(late)
        assert not removed.removed, "it removed the rules of another key"

    async def test_services_do_not_touch_each_other(
        self, monitor: Monitor, watched: Watched
    ) -> None:
        await monitor.set_up(_wanted("shop", "one"))
        await monitor.set_up(_wanted("billing", "two"))
        assert await watched() == {"shop", "billing"}
        await monitor.remove(RemoveMonitoringRequest(environment=ENVIRONMENT, service="shop"))
        assert await watched() == {"billing"}

    async def test_removing_is_harmless_when_there_is_nothing(self, monitor: Monitor) -> None:
        request = RemoveMonitoringRequest(environment=ENVIRONMENT, service="shop")
        assert not (await monitor.remove(request)).removed

    async def test_a_late_attempt_after_the_removal_is_refused(
        self, monitor: Monitor, watched: Watched
    ) -> None:
        await monitor.set_up(_wanted("shop", "one"))
        request = RemoveMonitoringRequest(environment=ENVIRONMENT, service="shop", key="one")
        assert (await monitor.remove(request)).removed
        with pytest.raises(RunUndoneError):
            await monitor.set_up(_wanted("shop", "one"))
        assert not await watched(), "the late attempt set it up again"


def _wanted(service: str, key: str, availability: float = 0.999) -> MonitoringRequest:
    return MonitoringRequest(
        environment=ENVIRONMENT, service=service, key=key, availability=availability
    )
