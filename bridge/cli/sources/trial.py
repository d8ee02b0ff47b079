"""Judges the last messages of a source as intake would, for ``ntbridge sources test``."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from bridge.cli import exits
from bridge.cli.exits import Exit
from bridge.evaluation import Evaluator
from bridge.intake.consumer import Delivery
from bridge.intake.decision import Accepted, Counted, Judged, PassedOver, SetAside, judge_apart
from bridge.jetstream.connection import connect_once
from bridge.jetstream.last_messages import KeptMessage, last_messages
from bridge.routes.loading import load_routes
from bridge.settings.schema import Settings
from bridge.settings.source_settings import SourceSettings
from eventstore.events import Event

Becomes = Literal["event", "counted", "dead letter", "nothing"]

_UNKNOWN_TIME = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class TriedMessage:
    """A message, and what it would become."""

    sequence: int
    topic: str
    becomes: Becomes
    event: Event | None = None
    routes: Sequence[str] = ()
    """Routes that match; one that fails on the event has its error behind it."""
    reason: str = ""


async def tried(
    settings: Settings, stream: str, subject: str | None, count: int
) -> AsyncIterator[TriedMessage]:
    """Yield what the last messages of a source would become.

    Raises:
        Exit: The stream is not a source, or several.
        RoutesError: The routes file is wrong.
        SourceMissing: The stream does not exist.
        NotConnected: NATS cannot be reached.
    """
    table = load_routes(settings.routes, settings.intake.written_sources, settings.type_prefix)
    source = _chosen(table.sources.settings, stream, subject)
    nats = settings.nats
    client = await connect_once(nats, "ntbridge sources test")
    try:
        messages = await last_messages(
            client,
            nats.source_stream(source),
            nats.source_filter(source),
            count,
            nats.source_api(source),
        )
    finally:
        await client.close()
    async with Evaluator() as evaluator:
        for message in messages:
            delivery = _delivery(source, nats.source_topic(source, message.subject), message)
            judged = await judge_apart(evaluator, table, delivery, settings.intake.max_hops)
            yield _tried(judged)


def _chosen(
    sources: Sequence[SourceSettings], stream: str, subject: str | None
) -> SourceSettings:
    found = [
        each
        for each in sources
        if each.stream == stream and (subject is None or each.subject == subject)
    ]
    if not found:
        shown = ", ".join(each.shown for each in sources)
        raise Exit(exits.USAGE, f"{stream} is not a source; the sources are {shown}")
    if len(found) > 1 and len({each.subject for each in found}) > 1:
        subjects = ", ".join(str(each.subject) for each in found)
        raise Exit(exits.USAGE, f"{stream} has several sources: give --subject ({subjects})")
    return found[0]


def _delivery(source: SourceSettings, topic: str, message: KeptMessage) -> Delivery:
    return Delivery(
        stream=source.stream,
        stream_created=_UNKNOWN_TIME,
        sequence=message.sequence,
        topic=topic,
        headers=message.headers,
        payload=message.payload,
        reply="",
        arrived_ns=message.arrived_ns,
    )


def _tried(judged: Judged) -> TriedMessage:
    about = judged.delivery.sequence, judged.delivery.topic
    match judged:
        case SetAside(code=code, reason=reason):
            return TriedMessage(*about, "dead letter", reason=f"{code}: {reason}")
        case PassedOver(reason=reason):
            return TriedMessage(*about, "nothing", reason=reason)
        case Counted(event=event):
            return TriedMessage(*about, "counted", event)
        case Accepted(event=event, plan=plan):
            routes = [
                each.route if each.error is None else f"{each.route} (fails: {each.error})"
                for each in plan
            ]
            return TriedMessage(*about, "event", event, routes)
