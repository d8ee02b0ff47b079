"""The hops of one event through the system, with their times."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import datetime

import msgspec

from bridge import samples
from bridge.cli import exits
from bridge.cli.exits import Exit
from bridge.jetstream.connection import connect_once
from bridge.jetstream.publishing import complete, publish
from bridge.jetstream.subjects import topic_for
from bridge.results.events import Result, Results
from bridge.runtime.terminal import print_text
from bridge.settings.schema import Settings
from bridge.sql import STATEMENTS
from bridge.sql.storage import open_store
from eventstore.database import Database
from eventstore.errors import Unavailable
from eventstore.events import Event, StoredEvent
from eventstore.filters import Filter
from eventstore.store import EventStore
from eventstore.subscription import Subscription

SAMPLE = "code-generation"
_WITHIN_SECONDS = 60.0
_POLL_SECONDS = 0.02
_DEAD_LETTERS_SECONDS = 0.5
_PREVIEW = 60


async def show_sample(settings: Settings) -> None:
    """Publish the sample event and show each hop until its result is published and stored.

    Raises:
        Exit: The pipeline failed or timed out.
    """
    event = complete(msgspec.json.decode(samples.event(SAMPLE)))
    topic = topic_for(event.type)
    client = await connect_once(settings.nats, "ntbridge dev")
    try:
        results = await Results(client, settings.nats, settings.nats.streams.results).open()
        async with open_store(settings, "ntbridge dev") as (database, store):
            print_text(f"\nsample: {event.type}", keep="\n")
            print_text(f"        {(event.data or b'').decode()}\n", keep="\n")
            hops = _Hops()
            ack = await publish(client, settings.nats, event, topic)
            hops.show("published", topic, f"id {event.id}, {ack.stream} sequence {ack.seq}")
            try:
                async with asyncio.timeout(_WITHIN_SECONDS):
                    await _show_dispatch(hops, database, store, event)
                    last = await _show_results(hops, results, event)
                    await _show_stored(hops, store, last)
            except TimeoutError:
                reason = await _why_late(database, event)
                raise Exit(exits.TIMED_OUT, reason) from None
            if last.failed:
                raise Exit(
                    exits.FAILED, "the sample pipeline failed; its last event has the reason"
                )
            print_text()
    finally:
        await client.close()


async def follow_events(settings: Settings) -> None:
    """Print a line for each event and each dead letter when it is recorded, until cancelled."""
    async with (
        open_store(settings, "ntbridge dev") as (database, store),
        asyncio.TaskGroup() as group,
    ):
        group.create_task(_follow_dead_letters(database))
        group.create_task(_follow_store(store))


async def _follow_store(store: EventStore) -> None:
    after = await store.head()
    async with store.subscribe(after=after) as subscription:
        async for batch in subscription.batches():
            for stored in batch.events:
                print_text(_line(stored))


async def _follow_dead_letters(database: Database) -> None:
    last = await database.fetchval(STATEMENTS["last_dead_letter"])
    while True:
        await asyncio.sleep(_DEAD_LETTERS_SECONDS)
        try:
            rows = await database.fetch(STATEMENTS["dead_letters_after"], last)
        except Unavailable:
            continue
        for row in rows:
            last = row["id"]
            at = row["recorded_at"].astimezone().strftime("%H:%M:%S.%f")[:-3]
            print_text(
                f"{at} ✗ dead letter {last} ({row['stage']}, {row['code']}): "
                f"{_preview(row['reason'])}  → ntbridge dead-letters show {last}"
            )


class _Hops:
    """Prints hops with the time since the start."""

    def __init__(self) -> None:
        self._began = time.time()

    def show(self, hop: str, where: str, detail: str, at: datetime | None = None) -> None:
        seconds = (at.timestamp() if at else time.time()) - self._began
        print_text(f"  {seconds * 1000:8.1f} ms  {hop:<10} {where}  {detail}")


async def _show_dispatch(
    hops: _Hops,
    database: Database,
    store: EventStore,
    event: Event,
) -> None:
    subscription = store.subscribe(where=Filter(correlation_uid=event.uid))
    stored = await _first(subscription)
    hops.show("recorded", stored.stream, f"position {stored.position}", stored.recorded_at)
    while True:
        rows = await database.fetch(STATEMENTS["dispatches_of_event"], event.uid)
        if not rows:  # the plan is in the same commit as the event
            raise Exit(
                exits.FAILED,
                f"no route matched the sample event (type {event.type}, on {topic_for(event.type)}); "
                "add a route that starts a workflow for it to the routes file",
            )
        if all(row["settled_at"] for row in rows):
            break
        await asyncio.sleep(_POLL_SECONDS)
    started = {"done", "duplicate"}
    for row in rows:
        hop = "started" if row["state"] in started else row["state"]
        detail = row["error"] or f"{row['state']}, run {row['run_id']}"
        hops.show(hop, row["target"], f"by route {row['route']}: {detail}", row["settled_at"])
    if not any(row["state"] in started for row in rows):
        ended = ", ".join(f"{row['route']} {row['state']} ({row['error']})" for row in rows)
        raise Exit(exits.FAILED, f"the sample event started no workflow: {ended}")


async def _first(subscription: Subscription) -> StoredEvent:
    async with subscription:
        async for batch in subscription.batches():
            for stored in batch.events:
                return stored
    raise Exit(exits.FAILED, "the event store was closed")


async def _show_results(hops: _Hops, results: AsyncIterator[Result], event: Event) -> Result:
    async for result in results:
        if result.correlation_id != event.id:
            continue
        data = (result.event.data or b"").decode(errors="replace")
        hops.show("result", result.topic, _preview(data))
        if result.closes:
            return result
    raise Exit(exits.FAILED, "the connection to NATS was closed")


async def _show_stored(hops: _Hops, store: EventStore, last: Result) -> None:
    stored = await store.get(last.event.uid)
    if stored is None:
        raise Exit(exits.FAILED, "the result event is on NATS but not in the store")
    hops.show("stored", stored.stream, f"position {stored.position}, version {stored.version}")


async def _why_late(database: Database, event: Event) -> str:
    rows = await database.fetch(STATEMENTS["dispatches_of_event"], event.uid)
    if not rows:
        return "the sample event was not recorded in time; look at the daemon's log"
    row = rows[0]
    return (
        f"no result within {_WITHIN_SECONDS:g} s: the dispatch to {row['target']} is "
        f"{row['state']} after {row['attempts']} attempts ({row['error'] or 'no error'}); look at "
        "the logs of daemon and worker"
    )


def _line(stored: StoredEvent) -> str:
    event = stored.event
    at = stored.recorded_at.astimezone().strftime("%H:%M:%S.%f")[:-3]
    arrow = "→" if stored.origin == "received" else "←"
    return f"{at} {arrow} {stored.topic or event.type}  {event.id}  {stored.correlation_id}"


def _preview(text: str) -> str:
    return text if len(text) <= _PREVIEW else f"{text[:_PREVIEW]}…"
