"""Output of sources and of what their messages become."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from bridge.cli.printer import Column
from bridge.cli.sources.trial import TriedMessage
from bridge.cloudevents.codec import to_json
from bridge.pauses import Pause
from bridge.settings.source_settings import SourceSettings

COLUMNS = (
    Column("sequence", cuts=False),
    Column("subject"),
    Column("becomes", cuts=False),
    Column("routes"),
    Column("reason"),
    Column("id", wide=True),
    Column("type", wide=True),
)
"""The columns of a list of messages."""


SOURCE_COLUMNS = (
    Column("stream"),
    Column("subject"),
    Column("decode"),
    Column("consumer"),
    Column("paused", of=lambda row: row["paused"] and row["paused"].shown),
    Column("unmatched", wide=True),
    Column("event", wide=True),
)
"""The columns of a list of sources."""


def source_row(source: SourceSettings, pause: Pause | None) -> dict[str, Any]:
    """Return a source as a row to print."""
    return {
        "stream": source.stream,
        "subject": source.subject,
        "decode": source.decode,
        "unmatched": source.unmatched,
        "event": source.event.model_dump(exclude_unset=True) or None,
        "consumer": source.durable,
        "paused": pause,
    }


def tried_row(tried: TriedMessage, *, whole: bool) -> dict[str, Any]:
    """Return a message and what it would become as a row to print; ``whole``: with all of the event."""
    event = tried.event
    row: dict[str, Any] = {
        "sequence": tried.sequence,
        "subject": tried.topic,
        "becomes": tried.becomes,
        "id": None if event is None else event.id,
        "type": None if event is None else event.type,
        "routes": list(tried.routes) if whole else ", ".join(tried.routes) or None,
        "reason": tried.reason or None,
    }
    if whole:
        row["event"] = None if event is None else msgspec.Raw(to_json(event))
    return row


def summary(found: Sequence[TriedMessage]) -> str:
    """Return how many messages would become what."""
    if not found:
        return "the source has no messages"
    counts = Counter(each.becomes for each in found)
    without = sum(each.becomes == "event" and not each.routes for each in found)
    parts = [
        f"{counts['event']} events ({without} that no route matches)",
        *([f"{counts['counted']} only counted"] if counts["counted"] else []),
        f"{counts['dead letter']} dead letters",
        f"{counts['nothing']} that are not events",
    ]
    return f"of {len(found)} messages: {', '.join(parts)}"
