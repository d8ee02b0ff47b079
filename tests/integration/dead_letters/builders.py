"""Deliveries, letters and events made by hand, for tests of single parts."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import yaml

from bridge import dead_letters
from bridge.dead_letters import DeadLetter
from bridge.dead_letters.mentions import mentioned
from bridge.intake.consumer import Delivery
from bridge.intake.decision import judge
from bridge.intake.recorder import Recorder
from bridge.routes.loading import load_routes
from bridge.routes.table import RouteTable
from eventstore.database import Database
from eventstore.events import Event, NewEvent, StoredEvent
from eventstore.store import EventStore

TYPE = "io.example.shop.ordered.v1"
TOPIC = "events.shop.ordered"
CREATED = datetime(2024, 5, 1, tzinfo=UTC)


def routes(folder: Path, *names: str, **changes: Any) -> RouteTable:
    """Routes of these names, all alike, that start a workflow for every order."""
    route = {"from": TOPIC, "start": {"workflow": "Ship", "task_queue": "q"}, **changes}
    file = folder / "some-routes.yaml"
    file.write_text(yaml.safe_dump({"routes": [{"name": name, **route} for name in names]}))
    return load_routes(file)


def order(number: int, **members: Any) -> bytes:
    """An order as a publisher sends it."""
    whole = {
        "specversion": "1.0",
        "id": f"order-{number}",
        "source": "/shop",
        "type": TYPE,
        "data": {"number": number},
        **members,
    }
    return msgspec.json.encode(whole)


def delivery(sequence: int, payload: bytes) -> Delivery:
    """The arrival of a message."""
    return Delivery(
        stream="EVENTS",
        stream_created=CREATED,
        sequence=sequence,
        topic=TOPIC,
        headers={"Content-Type": "application/cloudevents+json"},
        payload=payload,
        reply="",
    )


async def record(
    database: Database, store: EventStore, table: RouteTable, *arrivals: Delivery
) -> list[str]:
    """Take deliveries in, as intake does; return its verdicts."""
    recorder = Recorder(database, store)
    judged = [judge(table, arrival, 16) for arrival in arrivals]
    async with database.transaction() as connection:
        return list((await recorder.record_on(connection, judged)).verdicts)


async def set_aside(database: Database, *arrivals: Delivery) -> list[int]:
    """Keep deliveries as letters, as a release did that could not read them; return the ids."""
    letters = [
        DeadLetter(
            stage="intake",
            code="schema",
            reason="an older release did not know this",
            about=mentioned(arrival.headers, arrival.payload),
            stream=arrival.stream,
            stream_created=arrival.stream_created,
            sequence=arrival.sequence,
            topic=arrival.topic,
            headers=arrival.headers,
            payload=arrival.payload,
        )
        for arrival in arrivals
    ]
    async with database.transaction() as connection:
        await dead_letters.insert(connection, letters)
    rows = await database.fetch("select id from dead_letters order by id")
    return [row["id"] for row in rows][-len(letters) :]


async def emit(store: EventStore, number: int, size: int = 10) -> StoredEvent:
    """Append a result event as an activity does."""
    event = Event(
        id=f"result-{number}",
        source="/temporal/default/Ship",
        type="io.example.shop.shipped.v1",
        datacontenttype="application/json",
        data=b'"' + b"x" * size + b'"',
    )
    await store.append(f"run-{number}", [NewEvent(event=event, topic="results.shop.shipped")])
    stored = await store.get(event.uid)
    assert stored is not None
    return stored
