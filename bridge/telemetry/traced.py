"""`Traced`: telemetry as spans, and as metrics too.

Names and attributes follow OpenTelemetry's semantic conventions for messaging and CloudEvents.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import Meter
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue
from typing_extensions import override

from bridge.jetstream.subjects import RESULT_TOPICS
from bridge.operations.base import Dispatch
from bridge.operations.outcomes import Outcome
from bridge.runtime.propagation import fields, from_fields, from_text, span_of, to_text
from bridge.telemetry import ReceivedMessage
from bridge.telemetry.measured import Measured
from eventstore.events import Event, StoredEvent

_SCOPE = "nats-temporal-bridge"
_MAX_LINKS = 128


class Traced(Measured):
    """Creates spans with the installed tracer."""

    def __init__(self, meter: Meter) -> None:
        super().__init__(meter)
        self._tracer = trace.get_tracer(_SCOPE)

    @override
    @contextmanager
    def taking_in(
        self, source: str, arrivals: Iterable[ReceivedMessage]
    ) -> Iterator[Sequence[str | None]]:
        arrivals = list(arrivals)
        parents = [_context_of(each) for each in arrivals]
        with self._tracer.start_as_current_span(
            f"receive {source}",
            Context(),
            SpanKind.CONSUMER,
            {
                **_messaging("receive", source),
                "messaging.batch.message_count": len(arrivals),
            },
            links=_links(parents),
        ):
            spans = [
                self._processing(source, arrival, parent)
                for arrival, parent in zip(arrivals, parents, strict=True)
            ]
            try:
                yield [to_text(trace.set_span_in_context(span, Context())) for span in spans]
            finally:
                for span in spans:
                    span.end()

    @override
    @contextmanager
    def dispatching(self, dispatch: Dispatch, event: StoredEvent) -> Iterator[None]:
        parent = from_text(dispatch.trace) or from_fields(event.event.extensions)
        with self._tracer.start_as_current_span(
            f"{dispatch.operation} {dispatch.route}",
            parent or Context(),
            SpanKind.CLIENT,
            {
                **_cloud_event(event.event),
                "ntbridge.route": dispatch.route,
                "ntbridge.operation": dispatch.operation,
                "ntbridge.attempt": dispatch.attempts + 1,
                "temporalWorkflowID": dispatch.target,
            },
        ):
            yield

    @override
    def called(self, dispatch: Dispatch, outcome: Outcome, seconds: float) -> None:
        super().called(dispatch, outcome, seconds)
        span = trace.get_current_span()
        span.set_attribute("ntbridge.outcome", outcome.state)
        if outcome.run_id:
            span.set_attribute("temporalRunID", outcome.run_id)
        if outcome.error is not None:
            span.set_attribute("error.type", outcome.code or outcome.state)
            span.set_status(Status(StatusCode.ERROR, outcome.error))

    @override
    @contextmanager
    def relaying(self, events: Sequence[StoredEvent]) -> Iterator[Sequence[Mapping[str, str]]]:
        spans = [self._sending(each) for each in events]
        try:
            yield [fields(trace.set_span_in_context(span, Context())) for span in spans]
        except BaseException as error:
            for span in spans:
                span.set_status(Status(StatusCode.ERROR, repr(error)))
            raise
        finally:
            for span in spans:
                span.end()

    def _processing(
        self, source: str, arrival: ReceivedMessage, parent: Context | None
    ) -> Span:
        attributes: dict[str, AttributeValue] = {
            **_messaging("process", source),
            "messaging.destination.name": arrival.topic,
            "messaging.message.body.size": arrival.size,
        }
        if arrival.event is not None:
            attributes |= _cloud_event(arrival.event)
        links = []
        if arrival.event is not None:
            # Where the trace has changed on the way, the span links to the original trace.
            began, now = span_of(from_fields(arrival.event.extensions)), span_of(parent)
            if began is not None and now is not None and began.trace_id != now.trace_id:
                links = [Link(began)]
        span = self._tracer.start_span(
            f"process {source}", parent or Context(), SpanKind.CONSUMER, attributes, links
        )
        if arrival.refused is not None:
            span.set_attribute("error.type", arrival.refused)
            span.set_status(Status(StatusCode.ERROR, "set aside as a dead letter"))
        return span

    def _sending(self, stored: StoredEvent) -> Span:
        return self._tracer.start_span(
            f"send {RESULT_TOPICS}",
            from_fields(stored.event.extensions) or Context(),
            SpanKind.PRODUCER,
            {
                **_messaging("send", RESULT_TOPICS),
                "messaging.destination.name": stored.topic or "",
                **_cloud_event(stored.event),
            },
        )


def _context_of(arrival: ReceivedMessage) -> Context | None:
    """Return the trace context of a message's headers, else that of its event."""
    found = from_fields(arrival.headers)
    if found is None and arrival.event is not None:
        found = from_fields(arrival.event.extensions)
    return found


def _links(contexts: Iterable[Context | None]) -> list[Link]:
    found = [span_of(context) for context in contexts]
    return [Link(each) for each in found if each is not None][:_MAX_LINKS]


def _messaging(operation: str, template: str) -> dict[str, AttributeValue]:
    return {
        "messaging.system": "nats",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.template": template,
    }


def _cloud_event(event: Event) -> dict[str, AttributeValue]:
    return {
        "messaging.message.id": event.id,
        "cloudevents.event_id": event.id,
        "cloudevents.event_source": event.source,
        "cloudevents.event_type": event.type,
    }
