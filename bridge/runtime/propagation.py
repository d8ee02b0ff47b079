"""W3C trace context to and from headers and texts.

It uses the OpenTelemetry API only: without an installed tracer there is no context to propagate.
"""

from collections.abc import Mapping

from opentelemetry.context import Context
from opentelemetry.trace import SpanContext, get_current_span
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACEPARENT = "traceparent"
TRACESTATE = "tracestate"

_FIELDS = (TRACEPARENT, TRACESTATE)
_PROPAGATOR = TraceContextTextMapPropagator()


def fields(context: Context | None = None) -> dict[str, str]:
    """Return the context (default: the current one) as header fields; empty without a context."""
    carrier: dict[str, str] = {}
    _PROPAGATOR.inject(carrier, context)
    return carrier


def from_fields(headers: Mapping[str, object]) -> Context | None:
    """Return the context in headers or attributes; names are case-insensitive."""
    carrier = {
        name.lower(): value
        for name, value in headers.items()
        if isinstance(value, str) and name.lower() in _FIELDS
    }
    if TRACEPARENT not in carrier:
        return None
    context = _PROPAGATOR.extract(carrier, Context())
    return context if span_of(context) is not None else None


def span_of(context: Context | None) -> SpanContext | None:
    """Return the span context of a context, if it has one."""
    found = get_current_span(context).get_span_context()
    return found if found.is_valid else None


def to_text(context: Context | None = None) -> str | None:
    """Return the context as one text, for a database column; None without a context."""
    carrier = fields(context)
    if not carrier:
        return None
    return " ".join(carrier[name] for name in _FIELDS if carrier.get(name))


def from_text(text: str | None) -> Context | None:
    """Return the context from a text of `to_text`."""
    if not text:
        return None
    return from_fields(dict(zip(_FIELDS, text.split(" ", 1), strict=False)))
