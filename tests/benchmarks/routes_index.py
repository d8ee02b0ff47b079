"""Planning with 1,000 routes against planning with 10: routes are indexed.

Pure: no server takes part. Three shapes, since a routes file may tell its events apart by subject, by
type, or by the prefix of a type.
"""

import time
from collections.abc import AsyncIterator, Sequence
from typing import Any

from bridge.routes.model import RoutesFile
from bridge.routes.table import RouteTable
from eventstore.events import Event
from tests.benchmarks.harness import Context, Measure, Row, alternate

NAME = "routes.index"

_EVENTS = 2_000
_FEW, _MANY = 10, 1_000
_DATA = b'{"prompt": "Write a function", "language": "python"}'


def _says(shape: str, number: int) -> dict[str, Any]:
    match shape:
        case "subjects":
            return {
                "from": f"events.d{number}.requested",
                "type": f"io.example.d{number}.requested.v1",
            }
        case "types":
            return {"from": "events.>", "type": f"io.example.d{number}.requested.v1"}
        case _:
            return {"from": "events.>", "type": f"io.example.d{number}.*"}


def _table(shape: str, count: int) -> RouteTable:
    routes = [
        {
            "name": f"r{number}",
            "when": 'data.language == "python"',
            "start": {"workflow": "W", "task_queue": "q"},
            **_says(shape, number),
        }
        for number in range(count)
    ]
    return RouteTable(RoutesFile.model_validate({"routes": routes}).routes)


def _measure(table: RouteTable, events: Sequence[Event]) -> Measure:
    async def measure() -> float:
        began = time.perf_counter()
        planned = sum(
            len(table.plan(f"events.d{at % _FEW}.requested", event))
            for at, event in enumerate(events)
        )
        if planned != len(events):
            raise RuntimeError(f"{planned} dispatches were planned for {len(events)} events")
        return len(events) / (time.perf_counter() - began)

    return measure


async def rows(context: Context) -> AsyncIterator[Row]:  # noqa: ARG001 - no server is needed
    """One row for each shape."""
    events = [
        Event(
            id=str(at),
            source="/bench",
            type=f"io.example.d{at % _FEW}.requested.v1",
            data=_DATA,
        )
        for at in range(_EVENTS)
    ]
    for shape in ("subjects", "types", "prefixes"):
        many, few = _table(shape, _MANY), _table(shape, _FEW)
        compared = await alternate(_measure(many, events), _measure(few, events))
        yield compared.row(
            f"{NAME}.{shape}",
            unit="events/s",
            note=f"{_MANY} routes against {_FEW}, one of which takes the event",
        )
