"""Output of events."""

import sys
from collections.abc import AsyncIterator, Mapping
from typing import Any

import msgspec

from bridge.cloudevents.codec import to_json
from bridge.runtime.terminal import print_exact, print_json
from eventstore.events import Event, StoredEvent

COLUMNS = ("time", "topic", "correlationid", "data")
"""The columns of a table; the other formats show all attributes."""


def event_row(event: Event, topic: str | None) -> Mapping[str, Any]:
    """Return an event in the CloudEvents JSON format, with its topic beside the attributes.

    The values are the stored JSON: decoding would round large and long numbers.
    """
    row = msgspec.json.decode(to_json(event), type=dict[str, msgspec.Raw])
    return {**row, "topic": topic}


async def print_events(events: AsyncIterator[StoredEvent]) -> int:
    """Print events as NDJSON, one CloudEvent a line; return their number."""
    printed = 0
    async for stored in events:
        print_json(to_json(stored.event).decode(), flush=False)
        printed += 1
    sys.stdout.flush()
    return printed


def print_published(event: Event, output: str | None) -> None:
    """Print the id of an event that NATS has acknowledged."""
    if output in (None, "table", "wide"):
        print_exact(event.id)
    else:
        print_json(msgspec.json.encode({"published": event.id}).decode())
