"""The module QSecure: adapters for its port, as the settings say."""

from workflows.activities.qsecure import QSecureActivities
from workflows.adapters.security.bandit import BanditScanner
from workflows.adapters.security.secrets import SecretsScanner
from workflows.adapters.security.together import Scanners
from workflows.modules.module import Means, Module
from workflows.ports.scanner import Scanner


def build(means: Means) -> Module:
    """Return the scanning activity."""
    settings = means.settings.qsecure
    known: dict[str, Scanner] = {
        "bandit": BanditScanner(seconds=settings.seconds),
        "secrets": SecretsScanner(),
    }
    qsecure = QSecureActivities(scanner=Scanners([known[name] for name in settings.scanners]))
    return Module(workflows=(), activities=(qsecure.scan,))
