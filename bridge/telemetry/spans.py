"""The table of spans that make up a trace, from a publisher to a subscriber."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Span:
    """One kind of span.

    Attributes:
        name: Variable parts are in angle brackets; each has few distinct values.
        kind: OpenTelemetry's span kind.
        parent: The parent span.
        meaning: What the span covers.
    """

    name: str
    kind: Literal["producer", "consumer", "client", "server", "internal"]
    parent: str
    meaning: str


SPANS: tuple[Span, ...] = (
    Span(
        "send events.>",
        "producer",
        "the publisher's current span",
        "`ntbridge events publish`; other publishers use their own names",
    ),
    Span(
        "receive <source>",
        "consumer",
        "none; links to the messages' own traces",
        "a batch, from the fetch to its commit",
    ),
    Span(
        "process <source>",
        "consumer",
        "the `traceparent` of the message's headers, else that of the event",
        "one event, from the fetch to its commit",
    ),
    Span(
        "<operation> <route>",
        "client",
        "`process`",
        "one attempt of a dispatch, for example `start code-generation`",
    ),
    Span(
        "RunWorkflow:<workflow>",
        "server",
        "the dispatch",
        "instant: a run started",
    ),
    Span(
        "HandleSignal:<signal>",
        "server",
        "that of `RunWorkflow`; links to the dispatch",
        "instant: a run received a signal",
    ),
    Span(
        "ValidateUpdate:<update>",
        "server",
        "that of `RunWorkflow`; links to the dispatch",
        "instant: a run validated an update",
    ),
    Span(
        "HandleUpdate:<update>",
        "server",
        "that of `RunWorkflow`; links to the dispatch",
        "instant: a run received an update",
    ),
    Span(
        "StartActivity:<activity>",
        "client",
        "`RunWorkflow`",
        "instant: the run scheduled an activity",
    ),
    Span(
        "RunActivity:<activity>",
        "server",
        "`StartActivity`",
        "one attempt of an activity; `events.emit` appends result events",
    ),
    Span(
        "CompleteWorkflow:<workflow>",
        "internal",
        "`RunWorkflow`",
        "instant: the run ended",
    ),
    Span(
        "send results.>",
        "producer",
        "the `RunActivity` that emitted the event",
        "a result event, while the relay publishes it; acknowledgements follow, in batches",
    ),
)
