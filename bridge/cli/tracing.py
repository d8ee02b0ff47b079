"""Spans of a short command, if the ``OTEL_*`` variables request them."""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def traced() -> Iterator[None]:
    """Export the spans of this block before it ends.

    Raises:
        SettingsError: A requested exporter is unknown or not installed.
    """
    if not any(name.startswith("OTEL_") for name in os.environ):
        yield
        return
    from bridge.errors import SettingsError
    from bridge.runtime.errors import TelemetryError
    from bridge.runtime.providers import Providers

    try:
        providers = Providers("ntbridge-cli", str(os.getpid()), serves_metrics=False)
    except TelemetryError as error:
        raise SettingsError(str(error)) from error
    try:
        yield
    finally:
        providers.shutdown()
