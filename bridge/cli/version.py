"""``ntbridge version``: shows the release."""

import platform
from importlib.metadata import version as version_of

from bridge.runtime.terminal import print_text


def version() -> None:
    """Show the release of ntbridge, and the Python that runs it."""
    release = version_of("nats-temporal-bridge")
    print_text(f"ntbridge {release} (Python {platform.python_version()})")
