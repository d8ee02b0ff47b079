"""How the daemon and its tools log; see `bridge.runtime.logs`."""

import sys

from bridge.runtime import logs
from bridge.settings.schema import LogSettings


def configure(settings: LogSettings) -> None:
    """Set up structlog, and send what the client libraries log the same way."""
    as_json = settings.format == "json" or (
        settings.format == "auto" and not sys.stderr.isatty()
    )
    logs.configure(settings.level, as_json=as_json, payloads=settings.payloads)
