"""The relay: a backlog against bare pipelined publishing, and the way of one event to a subscriber.

`relay.backlog`: emitted events that wait in the store, read, rendered and published in a chain,
a second. The reference publishes the same bytes with the same headers (but those of the chain)
by nats-py's `publish_async`, with as many under way, rendered beforehand.

`relay.latency`: from the commit of an event, at `RATE` events a second, to its arrival at a plain
subscriber, in milliseconds; the relay is a daemon's. The reference is a bare publisher at the same
rate: from before its publish to the arrival. `relay.latency-p99` is of the same measurements.
"""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Any
from uuid import uuid4

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg

from bridge.jetstream.batch_publisher import OutgoingMessage
from bridge.relay.chain import render
from eventstore.database import Database
from eventstore.events import Event, NewEvent, Origin
from eventstore.store import EventStore
from tests.benchmarks.harness import Comparison, Context, Row, alternate
from tests.benchmarks.main_job import bridge_on
from tests.support.daemon import Bridge, running
from tests.support.relays import passed, relaying
from tests.support.waiting import eventually

NAME = "relay"

BACKLOG = 5_000
RATE = 500
SECONDS = 4
_BODY = b'{"text": "' + b"x" * 980 + b'"}'
_TOPIC = "results.load.done"
_BARE_TOPIC = "replay.load.done"
"""Of a stream that is declared alike: nobody but the relay may write to the other one."""


async def rows(context: Context) -> AsyncIterator[Row]:
    """Yield the rate over a backlog, and the latency's median and 99th percentile."""
    async with bridge_on(context) as bridge:
        yield await _backlog(bridge)
    async with bridge_on(context) as bridge, running(bridge.daemon()):
        p50, p99 = await _latency(bridge)
        note = f"at {RATE} events/s, commit or publish to arrival; lower is better"
        yield p50.row("relay.latency", unit="ms", note=f"medians; {note}")
        yield p99.row("relay.latency-p99", unit="ms", note=f"99th percentiles; {note}")


async def _backlog(bridge: Bridge) -> Row:
    database = await Database.connect(bridge.database_url)
    store = EventStore(database)
    client = await nats.connect(bridge.addresses.nats_url)
    try:
        for start in range(0, BACKLOG, 500):
            await store.append(
                f"run-{start}", [_event(f"{start + number}") for number in range(500)]
            )
        messages = [
            render(each, bridge.settings.nats, await store.incarnation(), client.max_payload)
            async for each in store.read_all()
        ]
        compared = await alternate(
            lambda: _by_relay(bridge, database, store, client),
            lambda: _by_client(bridge, client, messages),
        )
    finally:
        await client.close()
        await store.aclose()
        await database.close()
    return compared.row(
        "relay.backlog",
        unit="events/s",
        note=f"{BACKLOG} events of 1 KB; publish_async with as many under way",
    )


async def _by_relay(
    bridge: Bridge, database: Database, store: EventStore, client: Client
) -> float:
    await client.jetstream().purge_stream(f"{bridge.prefix}-RESULTS")
    await database.execute("delete from checkpoints")
    head = await store.head()
    began = time.perf_counter()
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, head, within=120)
        took = time.perf_counter() - began
    return BACKLOG / took


async def _by_client(
    bridge: Bridge, client: Client, messages: Sequence[OutgoingMessage]
) -> float:
    js = client.jetstream(publish_async_max_pending=bridge.settings.relay.window)
    await js.purge_stream(f"{bridge.prefix}-RESULTS")
    name = uuid4().hex
    began = time.perf_counter()
    for number, message in enumerate(messages):
        headers = {**message.headers, "Nats-Msg-Id": f"{name}/{number}"}
        # That all are acknowledged is waited for at the end.
        _ack = await js.publish_async(message.subject, message.payload, headers=headers)
    await js.publish_async_completed()
    return BACKLOG / (time.perf_counter() - began)


async def _latency(bridge: Bridge) -> tuple[Comparison, Comparison]:
    database = await Database.connect(bridge.database_url)
    store = EventStore(database)
    client = await nats.connect(bridge.addresses.nats_url)
    tails: dict[str, list[float]] = {"ours": [], "reference": []}

    async def emit(identity: str) -> float:
        await store.append(f"run-{identity}", [_event(identity)])
        return time.perf_counter()

    async def publish(identity: str) -> float:
        sent = time.perf_counter()
        await client.jetstream().publish(
            f"{bridge.prefix}.{_BARE_TOPIC}", _BODY, headers={"Id": identity}
        )
        return sent

    async def measured(side: str, send: Callable[[str], Coroutine[Any, Any, float]]) -> float:
        ways = sorted(await _ways(bridge, client, send))
        tails[side].append(ways[len(ways) * 99 // 100])
        return statistics.median(ways)

    try:
        p50 = await alternate(
            lambda: measured("ours", emit), lambda: measured("reference", publish)
        )
    finally:
        await client.close()
        await store.aclose()
        await database.close()
    # The first of each warmed up.
    ours, reference = (tuple(tails[side][1:]) for side in ("ours", "reference"))
    return p50, Comparison(ours=ours, reference=reference)


async def _ways(
    bridge: Bridge, client: Client, send: Callable[[str], Coroutine[Any, Any, float]]
) -> list[float]:
    """Send at the rate; return the way of each in ms."""
    arrived: dict[str, float] = {}
    run = uuid4().hex

    async def note(message: Msg) -> None:
        headers = message.headers or {}
        identity = headers.get("Id") or message.data.partition(b'"id":"')[2].partition(b'"')[0]
        arrived[identity if isinstance(identity, str) else identity.decode()] = (
            time.perf_counter()
        )

    subscriptions = [
        await client.subscribe(f"{bridge.prefix}.{topic}", cb=note)
        for topic in (_TOPIC, _BARE_TOPIC)
    ]
    sending: list[asyncio.Task[float]] = []
    began = time.perf_counter()
    for number in range(RATE * SECONDS):
        await asyncio.sleep(max(0.0, began + number / RATE - time.perf_counter()))
        sending.append(asyncio.create_task(send(f"{run}-{number}")))
    sent = await asyncio.gather(*sending)
    await eventually(lambda: len(arrived) >= len(sent), within=30)
    for subscription in subscriptions:
        await subscription.unsubscribe()
    return [1000 * (arrived[f"{run}-{number}"] - moment) for number, moment in enumerate(sent)]


def _event(identity: str) -> NewEvent:
    event = Event(
        id=identity,
        source="/benchmarks/relay",
        type="io.example.load.done.v1",
        datacontenttype="application/json",
        data=_BODY,
    )
    return NewEvent(event=event, origin=Origin.EMITTED, topic=_TOPIC)
