"""Rows as the daemon leaves them: events, dispatches, runs and dead letters, made by SQL."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec

from eventstore.database import Database
from eventstore.events import Event, NewEvent, Origin, StoredEvent
from eventstore.store import EventStore

TYPE = "io.example.shop.ordered.v1"
SOURCE = "/shop"


async def recorded(
    store: EventStore,
    id: str,  # noqa: A002 - the attribute's name
    data: Any = None,
    *,
    stream: str | None = None,
    topic: str = "events.shop.ordered",
    origin: Origin = Origin.RECEIVED,
    cause: StoredEvent | None = None,
    **attributes: Any,
) -> StoredEvent:
    """Append an event, and return it as stored."""
    event = Event(
        id=id,
        source=attributes.pop("source", SOURCE),
        type=attributes.pop("type", TYPE),
        data=msgspec.json.encode({} if data is None else data),
        **attributes,
    )
    new = NewEvent(
        event=event,
        topic=topic,
        origin=origin,
        correlation_id=None if cause is None else cause.correlation_id,
        correlation_uid=None if cause is None else cause.correlation_uid,
        causation_uid=None if cause is None else cause.uid,
    )
    await store.append(stream or f"order-{event.uid}", [new])
    stored = await store.get(event.uid)
    assert stored is not None
    return stored


async def dispatched(  # noqa: PLR0913 - the columns
    database: Database,
    stored: StoredEvent,
    route: str = "orders",
    *,
    state: str = "done",
    target: str | None = None,
    key: str | None = None,
    attempts: int = 1,
    error: str | None = None,
    ago: timedelta = timedelta(seconds=5),
    run_id: str | None = None,
    operation: str = "start",
) -> int:
    """Insert a dispatch of an event that was planned some time ago; return its id."""
    target = target or f"{route}/{stored.event.id}"
    number = await database.fetchval(
        "insert into dispatches (uid, position, route, route_digest, operation, key, target,"
        " request_id, call, state, partition, attempts, error, planned_at, settled_at, run_id)"
        " values ($1, $2, $3, '\\x00', $9, $4, $5, gen_random_uuid(), '{}', $6, 0, $7, $8,"
        " clock_timestamp() - $10::interval,"
        " case when $6 in ('open', 'waiting', 'queued', 'gathering') then null"
        " else clock_timestamp() - $10::interval + interval '50 ms' end, $11) returning id",
        stored.uid, stored.position, route, key or target, target, state, attempts, error,
        operation, ago, run_id,
    )  # fmt: skip
    return int(number)


async def ran(
    database: Database,
    stored: StoredEvent,
    run_id: str,
    workflow_id: str,
    route: str = "orders",
    *,
    open: bool = True,  # noqa: A002
) -> None:
    """Insert a run that a route started."""
    await database.execute(
        "insert into runs (run_id, workflow_id, latest, uid, route, state, ended_at)"
        " values ($1, $2, $1, $3, $4, case when $5 then 'open' else 'announced' end,"
        " case when $5 then null else clock_timestamp() end)",
        run_id, workflow_id, stored.uid, route, open,
    )  # fmt: skip


async def died(
    database: Database,
    reason: str,
    *,
    stage: str = "intake",
    code: str = "decode",
    route: str | None = None,
    uid: UUID | None = None,
    sequence: int | None = None,
    payload: bytes = b"{}",
    **about: str,
) -> int:
    """Insert an open dead letter; return its number."""
    number = await database.fetchval(
        "insert into dead_letters (stage, code, reason, route, uid, generation, stream,"
        " stream_created, sequence, topic, payload, event_id, event_source, event_type)"
        " values ($1, $2, $3, $4, $5, case when $1 = 'dispatch' then 1 end, 'EVENTS',"
        " '2024-05-01Z', coalesce($6, (select count(*) + 1 from dead_letters)), $7, $8, $9, $10, $11)"
        " returning id",
        stage, code, reason, route, uid, sequence, about.get("topic", "events.shop.ordered"),
        payload, about.get("id"), about.get("source"), about.get("type"),
    )  # fmt: skip
    return int(number)


async def died_as_event(
    database: Database,
    event: Mapping[str, Any],
    reason: str,
    topic: str = "events.shop.ordered",
) -> int:
    """Insert an open dead letter whose message can be decoded now; return its number."""
    letter = await died(
        database,
        reason,
        code="schema",
        payload=msgspec.json.encode(event),
        id=event["id"],
        source=event["source"],
        type=event["type"],
        topic=topic,
    )
    await database.execute(
        "update dead_letters set headers = $2 where id = $1",
        letter,
        b'{"content-type": "application/cloudevents+json"}',
    )
    await database.execute(
        "insert into deliveries (stream, stream_created, sequence, topic, verdict)"
        " select stream, stream_created, sequence, topic, 'set-aside' from dead_letters where id = $1",
        letter,
    )
    return letter
