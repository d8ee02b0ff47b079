"""The module QSRE: services are watched."""

from workflows.activities.qsre import QSREActivities
from workflows.adapters.prometheus.monitor import PrometheusRules
from workflows.modules.module import Means, Module


def build(means: Means) -> Module:
    """Return the monitoring activities."""
    folder = means.settings.qsre.folder or means.settings.state / "monitoring"
    qsre = QSREActivities(PrometheusRules(folder))
    return Module(workflows=(), activities=(qsre.set_up_monitoring, qsre.remove_monitoring))
