"""How the worker logs: JSON unless a person is watching; see `bridge.runtime.logs`."""

import logging
import sys

from temporalio import activity, workflow

from bridge.runtime import logs


def configure_logs(level: str) -> None:
    """Send what we log and what libraries log to standard error."""
    # Every line has the ids as fields; in the message they would be there twice.
    workflow.logger.workflow_info_on_message = False
    activity.logger.activity_info_on_message = False
    logs.configure(level, as_json=not sys.stderr.isatty(), libraries=level)
    # It logs every request at INFO, health checks of services among them.
    logging.getLogger("httpx").setLevel(logging.WARNING)
