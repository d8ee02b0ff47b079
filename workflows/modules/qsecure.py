"""The module QSecure: adapters for its port, as the settings say."""

from collections.abc import Callable

from workflows.activities.qsecure import QSecureActivities
from workflows.adapters.security.bandit import BanditScanner
from workflows.adapters.security.secrets import SecretsScanner
from workflows.adapters.security.severities import Scanners
from workflows.modules.module import Means, Module, adapter
from workflows.ports import Scanner


def build(means: Means) -> Module:
    """Return the scanning activity."""
    settings = means.settings.qsecure
    ours: dict[str, Callable[[], Scanner]] = {
        "bandit": lambda: BanditScanner(seconds=settings.seconds),
        "secrets": SecretsScanner,
    }
    scanners = [adapter("qsecure.scanners", name, ours, means) for name in settings.scanners]
    qsecure = QSecureActivities(scanner=Scanners(scanners))
    return Module(workflows=(), activities=(qsecure.scan,))
