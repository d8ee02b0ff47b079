"""Events that take too much to evaluate, through intake: everything else goes on."""

import asyncio
import json
import time
from typing import Any

import pytest

from bridge.cloudevents.codec import encode
from bridge.jetstream.connection import NatsConnection
from bridge.routes.model import RoutesFile
from bridge.routes.table import RouteTable
from bridge.settings.schema import SourceSettings
from eventstore.database import Database
from eventstore.events import Event
from tests.support.intakes import intake
from tests.support.sources import SUBJECT, TYPE, Stream
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

START = {"workflow": "W", "task_queue": "q"}
ROUTES = RouteTable(
    RoutesFile.model_validate(
        {
            "routes": [
                {
                    "name": "costly",
                    "from": "events.>",
                    "when": "has(data.word) && data.text.matches(data.word)",
                    "start": START,
                },
                {"name": "good", "from": "events.>", "start": START},
            ]
        }
    ).routes
)


async def publish(stream: Stream, number: int, data: Any) -> None:
    event = Event(id=str(number), source="/sources", type=TYPE, data=json.dumps(data).encode())
    headers, payload = encode(event)
    await stream.client.jetstream().publish(
        stream.nats.subject(SUBJECT), payload, headers=headers
    )


async def all_recorded(database: Database) -> bool:
    rows = await database.fetch("select id from event_attributes order by position")
    return [row["id"] for row in rows] == [str(number) for number in range(5)]


async def test_what_takes_too_much_is_that_routes_dead_letter_and_order_is_kept(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    await publish(stream, 0, {})
    await publish(stream, 1, {"text": "a" * 500_000, "word": "a" * 30_000})
    await publish(stream, 2, {"text": "a" * 40_000, "word": "a" * 23_000})
    await publish(stream, 3, {"text": "a" * 500_000})
    await publish(stream, 4, {})
    most = 0.0

    async def look() -> None:
        nonlocal most
        while True:
            began = time.process_time()
            await asyncio.sleep(0)
            most = max(most, time.process_time() - began)
            await asyncio.sleep(0.001)

    looking = asyncio.create_task(look())
    async with intake(connection, stream, database, SourceSettings(), routes=ROUTES):
        await eventually(lambda: all_recorded(database), within=90)
    looking.cancel()
    assert most < 0.15  # 0.05 on a machine of its own; seconds if an event holds the loop
    rows = await database.fetch(
        "select e.id, d.route, d.state, d.error from dispatches d join event_attributes e using (uid)"
        " order by e.position, d.route"
    )
    assert [(row["id"], row["route"], row["state"]) for row in rows] == [
        ("0", "good", "open"),
        ("1", "costly", "dead"),
        ("1", "good", "open"),
        ("2", "costly", "dead"),
        ("2", "good", "open"),
        ("3", "good", "open"),
        ("4", "good", "open"),
    ]
    assert all("processor time" in row["error"] for row in rows if row["state"] == "dead")
    letters = await database.fetch("select route, code from dead_letters")
    assert [(row["route"], row["code"]) for row in letters] == [("costly", "expression")] * 2
