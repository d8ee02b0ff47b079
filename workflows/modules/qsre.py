"""The module QSRE: services are watched."""

from workflows.activities.qsre import QSREActivities
from workflows.adapters.prometheus.monitor import PrometheusRules
from workflows.modules.module import Means, Module, adapter


def build(means: Means) -> Module:
    """Return the monitoring activities."""
    settings = means.settings.qsre
    folder = settings.folder or means.settings.state / "monitoring"
    ours = {"prometheus": lambda: PrometheusRules(folder)}
    qsre = QSREActivities(adapter("qsre.monitor", settings.monitor, ours, means))
    return Module(workflows=(), activities=(qsre.set_up_monitoring, qsre.remove_monitoring))
