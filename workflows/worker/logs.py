"""How the worker logs: JSON unless a person is watching; see `bridge.runtime.logs`."""

import sys

from bridge.runtime import logs


def configure_logs(level: str) -> None:
    """Send what we log and what libraries log to standard error."""
    logs.configure(level, as_json=not sys.stderr.isatty(), libraries=level)
