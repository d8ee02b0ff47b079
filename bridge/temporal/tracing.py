"""The trace context in the header of raw requests, in the format of Temporal's own interceptor.

Source: ``temporalio.contrib.opentelemetry.TracingInterceptor``, `_context_to_headers`.
"""

from temporalio.api.common.v1 import Header

from bridge.runtime.propagation import fields
from bridge.temporal.requests import json_payload

_KEY = "_tracer-data"


def current_header() -> Header | None:
    """Return the header that continues the current trace; None when there is none."""
    carrier = fields()
    return Header(fields={_KEY: json_payload(carrier)}) if carrier else None
