"""QSRE's steps: monitoring of services."""

from workflows.messages.monitoring import (
    Monitoring,
    MonitoringRemoved,
    MonitoringRequest,
    RemoveMonitoringRequest,
)
from workflows.platform.policies import COMPENSATION, SAGA
from workflows.platform.step import Step

MODULE = "qsre"

set_up_monitoring = Step(
    module=MODULE,
    name="qsre.set_up_monitoring",
    takes=MonitoringRequest,
    gives=Monitoring,
    policy=SAGA,
    summary="put the monitoring rules in force",
)
remove_monitoring = Step(
    module=MODULE,
    name="qsre.remove_monitoring",
    takes=RemoveMonitoringRequest,
    gives=MonitoringRemoved,
    policy=COMPENSATION,
    summary="remove the monitoring rules",
)
