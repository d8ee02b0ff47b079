"""The stream of results under everything at once: each event exactly once, in position order."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from pathlib import Path

import nats
import pytest
from nats.aio.client import Client

from bridge.errors import BridgeError, NotConnected
from bridge.history.replay.store import Replay, ToNats
from bridge.jetstream.batch_publisher import OutgoingMessage, Overtaken, Publisher
from bridge.jetstream.connection import CLIENT_FAULTS, connect_once
from bridge.jetstream.own_streams import declare_streams, used_streams
from bridge.jetstream.reader import StreamReader
from bridge.jetstream.stream_options import allow_batches
from bridge.relay.chain import POSITION_HEADER, tail_of
from bridge.relay.late import LATE_HEADER, LateRelay
from bridge.settings.schema import Settings
from eventstore.database import Database
from eventstore.events import StoredEvent
from eventstore.store import EventStore
from tests.support import history
from tests.support.daemon import Bridge
from tests.support.load import seeded
from tests.support.nats_cluster import Cluster, own_cluster
from tests.support.outages import at
from tests.support.relayed import append
from tests.support.relays import passed, rebuild, relaying
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    # nats-py leaves the writer of a connection open whose server was killed.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

LARGE = 3
_LIMIT = 2000
_FORGIVEN = (*CLIENT_FAULTS, BridgeError)


class Scene:
    """A store, its relays, and others that write to the same streams meanwhile."""

    def __init__(
        self, bridge: Bridge, database: Database, store: EventStore, dice: random.Random
    ) -> None:
        self.bridge = bridge
        self.settings: Settings = bridge.settings
        self.stream = self.settings.nats.stream("RESULTS")
        self.database = database
        self.store = store
        self.dice = dice
        self.over = asyncio.Event()

    async def client(self) -> Client:
        """A connection that tries every server."""
        return await nats.connect(self.settings.nats.servers, connect_timeout=2)

    async def limit(self, size: int) -> None:
        """Change the largest message that the stream takes."""
        client = await self.client()
        try:
            js = client.jetstream()
            config = (await js.stream_info(self.stream)).config
            await js.update_stream(replace(config, max_msg_size=size))
        finally:
            await client.close()

    async def foreign(self) -> int:
        """Publish between the relay's messages, as no other publisher should."""
        count, client = 0, await self.client()
        try:
            while not self.over.is_set():
                with suppress(*_FORGIVEN):
                    await client.jetstream().publish(
                        self.settings.nats.subject("results.foreign.x"), b"", timeout=1
                    )
                    count += 1
                await asyncio.sleep(self.dice.random() / 10)
        finally:
            await client.close()
        return count

    async def stale(self) -> int:
        """Publish behind a message that was the last one a while ago, as a thawed relay does."""
        refused, client = 0, await self.client()
        message = OutgoingMessage(
            self.settings.nats.subject("results.stale.x"), {POSITION_HEADER: "1"}, b""
        )
        incarnation = await self.store.incarnation()
        try:
            while not self.over.is_set():
                with suppress(*_FORGIVEN):
                    tail = await tail_of(client.jetstream(), self.stream, incarnation)
                    publisher = Publisher(client, self.stream)
                    publisher.begin(tail.sequence, atomic=tail.atomic)
                    await self._until_behind(client, tail.sequence)
                    try:
                        await publisher.publish([message] * 20)
                    except Overtaken:
                        refused += 1
                await asyncio.sleep(0.05)
        finally:
            await client.close()
        return refused

    async def _until_behind(self, client: Client, sequence: int) -> None:
        js = client.jetstream()
        while (await js.stream_info(self.stream)).state.last_seq == sequence:
            if self.over.is_set():
                raise NotConnected("over")
            await asyncio.sleep(0.02)

    async def late(self, events: list[StoredEvent]) -> None:
        """Redrive events that the relay has set aside, each until it is on the stream."""
        for stored in events:
            while True:
                late = LateRelay(self.database, self.store, self.settings.nats)
                async with late:
                    with suppress(*_FORGIVEN):
                        await late.publish(stored)
                        break
                await asyncio.sleep(0.2)

    async def replay(self, replay: Replay) -> None:
        """Run a replay, again after every interruption, until all of it is there."""
        while True:
            try:
                async with history.nats(self.bridge, ToNats()) as (opened, _):
                    await history.run(self.database, self.store, replay, opened)
            except _FORGIVEN:
                await asyncio.sleep(0.2)
            else:
                return

    async def read(self, stream: str) -> list[tuple[str, dict[str, str]]]:
        """Return subjects and headers of all messages of a stream."""
        client = await connect_once(self.settings.nats, "test")
        try:
            last = (await client.jetstream().stream_info(stream)).state.last_seq
            reader = StreamReader(client, stream)
            return [
                (message.subject, dict(message.headers or {}))
                async for _, message in reader.read(through=last, headers_only=True)
            ]
        finally:
            await client.close()


async def torture(
    scene: Scene, *, writers: int, each: int, disturb: Callable[[], Awaitable[None]]
) -> None:
    bridge, database, store = scene.bridge, scene.database, scene.store
    await append(bridge, writers=1, each=40, prefix="old")
    async with AsyncExitStack() as open_:
        relays = [
            (await open_.enter_async_context(relaying(bridge, database, store)))[0]
            for _ in range(2)
        ]
        await scene.limit(_LIMIT)
        large = await history.fill(store, LARGE, first=90_000, size=_LIMIT)
        await eventually(lambda: max(each.position for each in relays) >= large[-1].position)
        await scene.limit(-1)
        replays = [await history.begun(database, store, ToNats(), sequence=0) for _ in range(2)]
        others = [asyncio.create_task(task) for task in (scene.foreign(), scene.stale())]
        try:
            await asyncio.gather(
                append(bridge, writers=writers, each=each),
                scene.late(large),
                disturb(),
                *(scene.replay(replay) for replay in replays),
            )
        finally:
            scene.over.set()
        foreign, refused = await asyncio.gather(*others)
        head = await store.head()
        await eventually(
            lambda: max(each.position for each in relays) >= head,
            within=120,
            what="the relay comes to the end",
        )
    assert foreign
    assert refused
    await assert_results(scene, large)
    for replay in replays:
        await assert_copies(scene, replay)


async def assert_results(scene: Scene, large: list[StoredEvent]) -> None:
    messages = [headers for _, headers in await scene.read(scene.stream)]
    ours = [each for each in messages if POSITION_HEADER in each]
    late = [int(each[LATE_HEADER]) for each in ours if LATE_HEADER in each]
    positions = [int(each[POSITION_HEADER]) for each in ours if LATE_HEADER not in each]
    # Or in order: the relay passes them again when it resumes, and the limit is gone.
    assert set(late) <= {each.position for each in large}
    doubled = [position for position, times in Counter(positions).items() if times > 1]
    assert not doubled
    assert positions == sorted(positions)
    stored = [each.position async for each in scene.store.read_all()]
    assert sorted(positions + late) == stored


async def assert_copies(scene: Scene, replay: Replay) -> None:
    beginning = f"{replay.id}/"
    found = [
        int(headers["Nats-Msg-Id"].removeprefix(beginning))
        for _, headers in await scene.read(scene.settings.nats.stream("REPLAY"))
        if headers.get("Nats-Msg-Id", "").startswith(beginning)
    ]
    stored = [each.position async for each in scene.store.read_all(through=replay.through)]
    assert found == stored


@pytest.fixture
async def opened(bridge: Bridge) -> AsyncIterator[tuple[Database, EventStore]]:
    database = await Database.connect(bridge.database_url)
    store = EventStore(database)
    yield database, store
    await store.aclose()
    await database.close()


async def nothing() -> None:
    """Leave the servers alone."""


@pytest.mark.parametrize("atomic", [True, False])
async def test_on_one_server(
    bridge: Bridge, opened: tuple[Database, EventStore], client: Client, *, atomic: bool
) -> None:
    scene = Scene(bridge, *opened, seeded())
    if not atomic:
        js = client.jetstream()
        for name in (scene.stream, scene.settings.nats.stream("REPLAY")):
            config = (await js.stream_info(name)).config
            await js.update_stream(replace(config, allow_atomic=False))
    await torture(scene, writers=4, each=20, disturb=nothing)


async def on_cluster(
    cluster: Cluster, bridge: Bridge, opened: tuple[Database, EventStore]
) -> Scene:
    """The bridge's streams on a cluster, with three replicas."""
    away = at(bridge, nats_url=cluster.url)
    scene = Scene(away, *opened, seeded())
    client = await scene.client()
    try:
        names = scene.settings.nats
        await declare_streams(
            client.jetstream(),
            names.model_copy(update={"replicas": len(cluster.nodes)}),
            used_streams(Settings()),
        )
        await allow_batches(client, [names.stream("RESULTS"), names.stream("REPLAY")])
    finally:
        await client.close()
    return scene


async def test_on_three_replicas_whose_leader_is_killed(
    bridge: Bridge, opened: tuple[Database, EventStore], tmp_path: Path
) -> None:
    async with own_cluster(tmp_path) as cluster:
        scene = await on_cluster(cluster, bridge, opened)

        async def kill_the_leader() -> None:
            node = await cluster.leader(scene.stream)
            await node.kill()
            await cluster.leader(scene.stream)
            await node.start()

        await torture(scene, writers=4, each=20, disturb=kill_the_leader)


@pytest.mark.torture
@pytest.mark.timeout(3600)
async def test_on_three_replicas_under_every_fault(
    bridge: Bridge, opened: tuple[Database, EventStore], tmp_path: Path
) -> None:
    async with own_cluster(tmp_path) as cluster:
        scene = await on_cluster(cluster, bridge, opened)

        async def disturb() -> None:
            for _ in range(4):
                leader = await cluster.leader(scene.stream)
                await leader.kill()
                await cluster.leader(scene.stream)
                await leader.start()
                follower = await cluster.follower(scene.stream)
                await follower.stop()
                await append(
                    scene.bridge, writers=2, each=10, prefix=scene.dice.randbytes(4).hex()
                )
                await follower.start()
                # A cut: the others elect a leader, and the old one still believes that it leads.
                leader = await cluster.leader(scene.stream)
                leader.freeze()
                try:
                    await asyncio.sleep(6)
                finally:
                    leader.thaw()

        await torture(scene, writers=8, each=150, disturb=disturb)


@pytest.mark.torture
@pytest.mark.timeout(2700)
async def test_rebuilt_on_three_replicas_while_the_leader_changes(
    bridge: Bridge, opened: tuple[Database, EventStore], tmp_path: Path
) -> None:
    async with own_cluster(tmp_path) as cluster:
        scene = await on_cluster(cluster, bridge, opened)
        events = await history.fill(scene.store, 3000)
        async with relaying(scene.bridge, scene.database, scene.store) as (relay, _):
            await passed(relay, events[-1].position, within=120)
            killed = asyncio.create_task((await cluster.leader(scene.stream)).kill())
            while True:
                try:
                    await rebuild(
                        scene.bridge, scene.database, scene.store, events[-1].position
                    )
                except _FORGIVEN:
                    await asyncio.sleep(0.5)
                else:
                    break
            await killed
            (last,) = await history.fill(scene.store, 1, first=9_000)
            await passed(relay, last.position, within=120)
        await assert_results(scene, [])
