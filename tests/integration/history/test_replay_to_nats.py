"""A replay to NATS: in order, each once, whoever publishes in between and whatever interrupts it."""

import asyncio
import json
from typing import Any

import pytest
from nats.aio.client import Client

from bridge.errors import BridgeError
from bridge.history.replay.store import Replay, Replays, ToNats
from bridge.history.replay.to_nats import NatsTarget
from bridge.jetstream.connection import connect_once
from bridge.jetstream.publishing import NotPublishedError
from bridge.jetstream.reader import StreamReader
from eventstore.database import Database
from eventstore.store import EventStore
from tests.support import history
from tests.support.daemon import Bridge
from tests.support.history import Interrupted, copies

pytestmark = pytest.mark.slow

COUNT = 1500


async def on_stream(client: Client, bridge: Bridge, replay: Replay) -> list[dict[str, Any]]:
    stream = f"{bridge.prefix}-REPLAY"
    last = (await client.jetstream().stream_info(stream)).state.last_seq
    subject = f"{bridge.prefix}.replay.{replay.id}.{history.TOPIC}"
    return [
        json.loads(message.data)
        async for _, message in StreamReader(client, stream).read(through=last)
        if message.subject == subject
    ]


async def begun(
    bridge: Bridge, database: Database, store: EventStore, target: ToNats
) -> Replay:
    async with history.nats(bridge, target) as (_, last):
        return await history.begun(database, store, target, sequence=last)


async def test_interrupted_it_goes_on_without_repeats(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    events = await history.fill(store, COUNT)
    target = ToNats()
    replay = await begun(bridge, database, store, target)
    for after in (1, 900, 0):
        async with history.nats(bridge, target) as (opened, _):
            with pytest.raises(Interrupted):
                await history.run(database, store, replay, opened, interrupt_after=after)
    async with history.nats(bridge, target) as (opened, _):
        assert await history.run(database, store, replay, opened) == COUNT
    assert await on_stream(client, bridge, replay) == copies(events, replay)
    assert (await Replays(database, store).get(replay.id)).state == "finished"


async def test_whoever_publishes_in_between_nothing_is_lost_nor_overtaken(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    events = await history.fill(store, COUNT // 15)
    target = ToNats()
    replays = [await begun(bridge, database, store, target) for _ in range(2)]
    over = asyncio.Event()

    async def chatter() -> None:
        while not over.is_set():
            await client.jetstream().publish(f"{bridge.prefix}.replay.chatter", b"{}")

    async def one(replay: Replay) -> None:
        async with history.nats(bridge, target) as (opened, _):
            await history.run(database, store, replay, opened)

    chattering = asyncio.create_task(chatter())
    await asyncio.gather(*(one(replay) for replay in replays))
    over.set()
    await chattering
    for replay in replays:
        assert await on_stream(client, bridge, replay) == copies(events, replay)


@pytest.mark.parametrize(
    ("subject", "says"),
    [
        ("elsewhere.x", "no stream has the subject"),
        ("results.a.b", "only the relay may publish"),
    ],
)
async def test_where_it_may_not_go_is_told_before_anything_is_sent(
    bridge: Bridge, subject: str, says: str
) -> None:
    with pytest.raises(BridgeError, match=says):
        async with history.nats(bridge, ToNats(subject=subject)):
            pass


async def test_a_stream_that_the_settings_leave_out_is_named(bridge: Bridge) -> None:
    names = bridge.settings.nats.streams.model_copy(update={"replay": None})
    nats = bridge.settings.nats.model_copy(update={"streams": names, "prefix": "nowhere"})
    client = await connect_once(nats, "test")
    try:
        target = NatsTarget(client, nats, ToNats(), guarded="RESULTS", passed=lambda _: None)
        with pytest.raises(NotPublishedError, match=r"nats.streams.replay: null.*--to-subject"):
            await target.open()
    finally:
        await client.close()
