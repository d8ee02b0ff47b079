"""Source streams of three replicas: leaders change and servers die, and nothing is lost or overtaken."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import nats
import pytest
from msgspec.structs import replace
from nats.aio.client import Client
from nats.js.api import RetentionPolicy, StreamConfig

from bridge.cloudevents.codec import encode
from bridge.jetstream.own_streams import MADE_BY_US
from bridge.settings.schema import NatsSettings, SourceSettings
from eventstore.database import Database
from tests.support import sources
from tests.support.intakes import intake
from tests.support.nats_cluster import Cluster, Node, own_cluster
from tests.support.sources import Stream, connected
from tests.support.waiting import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    # nats-py leaves the socket of an attempt to reconnect that failed to the garbage collector.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

RETENTIONS = ("limits", "interest", "workqueue")
FORGIVEN = (AssertionError, nats.errors.Error, nats.js.errors.Error, OSError, TimeoutError)
PATIENCE = 180.0
PART = 30


@dataclass
class Scene:
    """A source of each retention, and what was published to them."""

    cluster: Cluster
    client: Client
    database: Database
    published: int = 0

    @asynccontextmanager
    async def publishing(self) -> AsyncIterator[None]:
        """Publish the next events to each stream, in order, while something happens."""
        numbers = range(self.published, self.published + PART)
        self.published += PART
        async with asyncio.TaskGroup() as group:
            for retention in RETENTIONS:
                group.create_task(self._publish(retention, numbers))
            yield

    async def _publish(self, retention: str, numbers: range) -> None:
        for number in numbers:
            # After a lost acknowledgement it is published twice: the same event.
            await eventually(
                partial(self._accepted, f"{retention}.x", number),
                within=PATIENCE,
                forgive=FORGIVEN,
            )

    async def _accepted(self, subject: str, number: int) -> bool:
        # An event of its own for each stream: the same one would be recorded once.
        headers, payload = encode(replace(sources.event(number), source=f"/{subject}"))
        await self.client.jetstream(timeout=2).publish(subject, payload, headers=headers)
        return True

    async def step_down(self) -> None:
        """Make every stream and consumer choose another leader."""
        for retention in RETENTIONS:
            name = retention.upper()
            for what in (
                f"STREAM.LEADER.STEPDOWN.{name}",
                f"CONSUMER.LEADER.STEPDOWN.{name}.ntbridge",
            ):
                asking = partial(self.client.request, f"$JS.API.{what}", timeout=5)
                await eventually(asking, within=PATIENCE, forgive=FORGIVEN)

    async def is_whole(self) -> None:
        """Wait until every replica has all messages."""

        async def look() -> bool:
            for retention in RETENTIONS:
                info = await self.client.jetstream().stream_info(retention.upper())
                assert info.cluster is not None
                assert info.cluster.leader
                replicas = info.cluster.replicas or []
                assert len(replicas) == len(self.cluster.nodes) - 1
                assert all(each.current for each in replicas)
            return True

        await eventually(look, within=PATIENCE, forgive=FORGIVEN)

    async def kill(self, node: Node, stream: str) -> None:
        """Kill a server; start it again when the others have a new leader."""
        await node.kill()
        await self.cluster.leader(stream)
        await node.start()

    async def another_leads(self, stream: str, old: Node) -> None:
        """Wait until another server than this one leads a stream."""

        async def look() -> bool:
            return await self.cluster.leader(stream) is not old

        await eventually(look, within=PATIENCE, forgive=FORGIVEN)

    async def all_recorded(self) -> None:
        """Check that everything published is recorded, once and in order, and nothing else."""

        async def look() -> bool:
            for retention in RETENTIONS:
                rows = await self.database.fetch(
                    "select topic, id::int as id from event_attributes where topic = $1 order by position",
                    f"{retention}.x",
                )
                ids = [row["id"] for row in rows]
                assert ids == sorted(set(ids)), f"{retention}: out of order"
                assert len(ids) == self.published, f"{retention}: {len(ids)} so far"
            return True

        await eventually(look, within=PATIENCE)
        removed = await self.database.fetch("select * from removed_messages")
        assert removed == []


@asynccontextmanager
async def scene_of(folder: Path, database: Database) -> AsyncIterator[Scene]:
    """Three streams of three replicas, each read by an intake."""
    async with AsyncExitStack() as stack:
        cluster = await stack.enter_async_context(own_cluster(folder))
        settings = NatsSettings(url=cluster.url)
        client = await nats.connect(
            cluster.url.split(","),
            connect_timeout=5,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
        )
        stack.push_async_callback(client.close)
        connection = await stack.enter_async_context(connected(settings))
        for retention in RETENTIONS:
            await client.jetstream().add_stream(
                StreamConfig(
                    name=retention.upper(),
                    subjects=[f"{retention}.>"],
                    retention=RetentionPolicy(retention),
                    num_replicas=len(cluster.nodes),
                    metadata=MADE_BY_US,
                )
            )
            source = SourceSettings(stream=retention.upper())
            await stack.enter_async_context(
                intake(connection, Stream(client, settings), database, source, batch=10)
            )

        async def attached() -> bool:
            for retention in RETENTIONS:
                await client.jetstream().consumer_info(retention.upper(), "ntbridge")
            return True

        await eventually(attached, within=PATIENCE, forgive=FORGIVEN)
        yield Scene(cluster, client, database)


async def test_leaders_that_change_and_die_cost_nothing(
    database: Database, tmp_path: Path
) -> None:
    async with scene_of(tmp_path, database) as scene:
        async with scene.publishing():
            await scene.step_down()
        async with scene.publishing():
            await scene.kill(await scene.cluster.leader("WORKQUEUE"), "WORKQUEUE")
        await scene.all_recorded()


@pytest.mark.torture
@pytest.mark.timeout(1800)
async def test_each_leader_dies_and_is_cut_off(database: Database, tmp_path: Path) -> None:
    async with scene_of(tmp_path, database) as scene:
        for retention in RETENTIONS:
            name = retention.upper()
            async with scene.publishing():
                await scene.kill(await scene.cluster.leader(name), name)
            await scene.is_whole()
            async with scene.publishing():
                # A cut: the others elect a leader, and the old one still believes that it leads.
                old = await scene.cluster.leader(name)
                old.freeze()
                try:
                    await scene.another_leads(name, old)
                finally:
                    old.thaw()
            await scene.is_whole()
            await scene.step_down()
        await scene.all_recorded()
