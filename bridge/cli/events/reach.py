"""Whether a published event will do anything: a source reads its subject, and a route matches it."""

from bridge.errors import RoutesError
from bridge.evaluation import Evaluator
from bridge.jetstream.subjects import matches
from bridge.routes.loading import load_routes
from bridge.settings.schema import Settings
from eventstore.events import Event


async def unreached(settings: Settings, event: Event, topic: str, stream: str) -> str | None:
    """Return why a published event will start nothing, in words; None if it will, or nothing is known.

    Args:
        settings: The sources, and the routes file.
        event: The event.
        topic: Its subject, without the prefix.
        stream: The name on the server of the stream that has stored it.
    """
    if not settings.routes.exists():
        return None
    try:
        table = load_routes(
            settings.routes,
            settings.intake.written_sources,
            settings.type_prefix,
            settings.temporal.names,
            closures=settings.closures.enabled,
        )
    except RoutesError:
        return None  # 'ntbridge routes lint' says it; publishing does not need the routes
    nats, subject = settings.nats, settings.nats.subject(topic)
    read = any(
        nats.source_stream(each) == stream
        and ((only := nats.source_filter(each)) is None or matches(only, subject))
        for each in settings.with_sources(table.sources.settings).intake.sources
    )
    if not read:
        return f"no source reads the subject {subject} of the stream {stream}: see 'ntbridge sources ls'"
    async with Evaluator() as evaluator:
        verdicts = await evaluator.explain(table, topic, event)
    if any(each.state != "not matched" for each in verdicts):
        return None
    return f"no route matches the event; why not: 'ntbridge explain {event.id}'"
