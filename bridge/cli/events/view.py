"""How events are shown."""

import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from bridge.cloudevents.codec import to_json
from bridge.runtime.terminal import print_exact, print_json
from eventstore.events import Event, StoredEvent

COLUMNS = ("time", "topic", "correlationid", "data")
"""What of an event a table shows; the other formats show all of it."""


def event_row(event: Event, topic: str | None) -> Mapping[str, Any]:
    """Return an event in the CloudEvents JSON format, with its topic beside the attributes.

    The values are JSON as it was stored: decoded, large and long numbers would be rounded.
    """
    row = msgspec.json.decode(to_json(event), type=dict[str, msgspec.Raw])
    return {**row, "topic": topic}


async def print_events(events: AsyncIterator[StoredEvent]) -> int:
    """Print events as NDJSON, one CloudEvent a line; return how many they were."""
    printed = 0
    async for stored in events:
        print_json(to_json(stored.event).decode(), flush=False)
        printed += 1
    sys.stdout.flush()
    return printed


def print_published(event: Event, output: str | None) -> None:
    """Print the id of an event that NATS has taken."""
    if output in (None, "table"):
        print_exact(event.id)
    else:
        print_json(msgspec.json.encode({"published": event.id}).decode())
