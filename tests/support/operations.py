"""Dispatches as the daemon would have planned them, for tests of what is done with them."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from bridge.operations import OPERATIONS
from bridge.operations.base import Dispatch
from bridge.operations.calls import CallError, Temporal
from bridge.operations.outcomes import Outcome, after_failure
from bridge.routes.model import Route
from bridge.routes.table import RouteTable
from eventstore.events import Event, StoredEvent, microseconds
from tests.unit.bridge import builders

TOPIC = "events.orders.placed"


def event_of(data: Any = None, **attributes: Any) -> Event:
    """An event that no other test has."""
    return Event(
        **{
            "id": str(uuid4()),
            "source": "/shop",
            "type": "com.example.placed",
            "data": None if data is None else json.dumps(data).encode(),
            **attributes,
        },
    )


def stored(event: Event) -> StoredEvent:
    """The event as the store gives it."""
    return builders.stored(event, topic=TOPIC, recorded_us=microseconds(datetime.now(UTC)))


def dispatch_of(
    operation: Mapping[str, Any], event: Event, *, route: str = "ship", generation: int = 1
) -> Dispatch:
    """What a route with this operation plans for an event, as taken from the ledger."""
    table = RouteTable([Route.model_validate({"name": route, "from": "events.>", **operation})])
    (planned,) = table.plan(TOPIC, event, generation)
    if planned.state != "open":
        raise AssertionError(planned.error)
    return Dispatch(
        id=1,
        uid=event.uid,
        position=1,
        route=planned.route,
        generation=planned.generation,
        operation=planned.operation,
        key=planned.key,
        target=planned.target,
        request_id=planned.request_id,
        call=planned.call,
        planned_at=datetime.now(UTC),
        taken_at=datetime.now(UTC),
    )


async def carry_out(temporal: Temporal, dispatch: Dispatch, event: Event) -> Outcome:
    """One attempt, failures judged as the dispatcher judges them."""
    try:
        return await OPERATIONS[dispatch.operation].carry_out(temporal, dispatch, stored(event))
    except CallError as error:
        return after_failure(error, dispatch.attempts + 1)
