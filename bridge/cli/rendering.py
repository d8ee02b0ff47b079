"""How events are shown."""

from collections.abc import Mapping
from typing import Any

import msgspec

from bridge.cloudevents import to_json
from eventstore.events import Event

COLUMNS = ("time", "topic", "correlationid", "data")
"""What of an event a table shows; the other formats show all of it."""


def event_row(event: Event, topic: str | None) -> Mapping[str, Any]:
    """Return an event in the CloudEvents JSON format, with its topic beside the attributes."""
    row: dict[str, Any] = msgspec.json.decode(to_json(event))
    return {**row, "topic": topic}
