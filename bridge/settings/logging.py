"""Logging by the settings; see `bridge.runtime.logs`."""

import sys

from bridge.runtime import logs
from bridge.settings.schema import LogSettings


def configure(settings: LogSettings) -> None:
    """Set up logging, also of the client libraries."""
    as_json = settings.format == "json" or (
        settings.format == "auto" and not sys.stderr.isatty()
    )
    logs.configure(settings.level, as_json=as_json, payloads=settings.payloads)
