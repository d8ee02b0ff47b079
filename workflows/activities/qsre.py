"""QSRE: monitors services."""

from temporalio import activity

from workflows.activities.heartbeats import heartbeating
from workflows.messages.monitoring import (
    Monitoring,
    MonitoringRemoved,
    MonitoringRequest,
    RemoveMonitoringRequest,
)
from workflows.ports import Monitor
from workflows.steps import qsre as steps


class QSREActivities:
    """The steps of monitoring; each is safe to repeat."""

    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    @activity.defn(name=steps.set_up_monitoring.name)
    async def set_up_monitoring(self, request: MonitoringRequest) -> Monitoring:
        """Install a service's rules."""
        async with heartbeating():
            return await self._monitor.set_up(request)

    @activity.defn(name=steps.remove_monitoring.name)
    async def remove_monitoring(self, request: RemoveMonitoringRequest) -> MonitoringRemoved:
        """Remove a service's rules."""
        async with heartbeating():
            return await self._monitor.remove(request)
