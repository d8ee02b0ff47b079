"""The table of spans: what one trace, from a publisher to a subscriber, is made of."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Span:
    """One kind of span.

    Attributes:
        name: With what varies in angle brackets; of that only few different ones occur.
        kind: As OpenTelemetry has it.
        parent: What it hangs from.
        meaning: What lasts as long as it does.
    """

    name: str
    kind: Literal["producer", "consumer", "client", "server", "internal"]
    parent: str
    meaning: str


SPANS: tuple[Span, ...] = (
    Span(
        "send events.>",
        "producer",
        "what the publisher is doing",
        "`ntbridge events publish`; other publishers name theirs",
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
        "one attempt of a dispatch; `start code-generation`, say",
    ),
    Span(
        "RunWorkflow:<workflow>",
        "server",
        "the dispatch",
        "a moment: a run has begun",
    ),
    Span(
        "HandleSignal:<signal>",
        "server",
        "that of `RunWorkflow`; links to the dispatch",
        "a moment: a run has been given a signal",
    ),
    Span(
        "ValidateUpdate:<update>",
        "server",
        "that of `RunWorkflow`; links to the dispatch",
        "a moment: a run has been asked whether it takes an update",
    ),
    Span(
        "HandleUpdate:<update>",
        "server",
        "that of `RunWorkflow`; links to the dispatch",
        "a moment: a run has been given an update",
    ),
    Span(
        "StartActivity:<activity>",
        "client",
        "`RunWorkflow`",
        "a moment: the run has asked for an activity",
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
        "a moment: the run has ended",
    ),
    Span(
        "send results.>",
        "producer",
        "the `RunActivity` that emitted the event",
        "a result event, while the relay publishes it; the acknowledgement follows, many at a time",
    ),
)
