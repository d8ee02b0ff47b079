"""Routes and events for the tests of the evaluator."""

from collections.abc import Mapping
from typing import Any

import msgspec

from bridge.routes.model import RoutesFile
from bridge.routes.schemas import schemas_of
from bridge.routes.table import RouteTable
from eventstore.events import Event

TOPIC = "events.shop.placed"
START = {"workflow": "W", "task_queue": "q"}
SCHEMA = {"properties": {"n": {"type": "integer"}}}
BAD_PATTERN = {"text": "a" * 40_000, "word": "a" * 23_000}
"""Takes two and a half seconds: a pattern of 23,000 instructions."""


def table(*routes: Mapping[str, Any], schemas: Mapping[str, Any] | None = None) -> RouteTable:
    said = [{"from": "events.>", "start": START, **route} for route in routes]
    file = RoutesFile.model_validate({"routes": said})
    return RouteTable(file.routes, schemas_of(schemas or {}))


def event(data: Any) -> Event:
    return Event(id="1", source="/s", type="shop.placed.v1", data=msgspec.json.encode(data))
