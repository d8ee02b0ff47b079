"""SIGKILL of every Postgres process under appends: what was acknowledged is there, retries double nothing."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.devstack.ports import pick
from bridge.devstack.postgres_server import PostgresServer
from bridge.devstack.state import StateFolder
from eventstore.appending import Appended
from eventstore.database import Database
from eventstore.errors import Unavailable
from eventstore.events import NewEvent
from eventstore.migrate import migrate
from eventstore.prepared import StreamAppend
from eventstore.store import EventStore
from tests.support.waiting import eventually
from tests.unit.eventstore.builders import new_event

pytestmark = pytest.mark.slow

WRITERS = 12

Acknowledged = dict[str, Appended]
"""What each append was told, by the first event's id."""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[PostgresServer]:
    """A server of the test's own, to be killed."""
    with StateFolder(tmp_path / "state") as state:
        server = PostgresServer(state, pick([]))
        await server.start()
        try:
            yield server
        finally:
            await server.kill()


async def write(
    store: EventStore, writer: int, stop: asyncio.Event, told: Acknowledged, retries: list[str]
) -> None:
    """Append batch after batch, each again until it is answered; note what was told."""
    number = 0
    while not stop.is_set():
        size = 1 + (number + writer) % 3 * 10
        events = [new_event(f"{writer}/{number}/{n}") for n in range(size)]
        told[events[0].event.id] = await insist(store, f"w-{writer % 5}", events, retries)
        number += 1


async def insist(
    store: EventStore, stream: str, events: list[NewEvent], retries: list[str]
) -> Appended:
    while True:
        try:
            return await store.append(stream, events)
        except Unavailable as error:
            retries.append(str(error))
            await asyncio.sleep(0.02)


async def torment(server: PostgresServer, kills: int, seed: int) -> None:
    rng = random.Random(seed)
    await migrate(server.url())
    database = await Database.connect(server.url(), deadline=3)
    store = EventStore(database)
    stop, told, retries = asyncio.Event(), Acknowledged(), list[str]()
    seen: list[int] = []
    follower = asyncio.create_task(follow(store, seen))
    writers = [
        asyncio.create_task(write(store, number, stop, told, retries))
        for number in range(WRITERS)
    ]
    for _ in range(kills):
        answered = len(told) + rng.randrange(50, 150)
        await eventually(lambda: len(told) >= answered, within=120)  # noqa: B023 - awaited here
        await server.kill()
        await server.start()
    stop.set()
    await asyncio.gather(*writers)
    assert retries, "the server was killed and nobody noticed"
    await verify(store, told, seed)
    end = await store.settled()
    log = [stored.position async for stored in store.read_all()]
    # A follower that ended has not waited for what there is.
    await eventually(lambda: seen[-1:] == log[-1:] or follower.done(), within=120)
    assert seen == log, f"the subscription over the crashes, seed {seed}, to {end}"
    assert not follower.done(), follower
    follower.cancel()
    await asyncio.wait([follower])
    await database.close()


async def follow(store: EventStore, seen: list[int]) -> None:
    async with store.subscribe() as subscription:
        async for batch in subscription.batches():
            seen += [stored.position for stored in batch.events]


async def verify(store: EventStore, told: Acknowledged, seed: int) -> None:
    ids: list[str] = []
    by_stream: dict[str, list[int]] = {}
    placed: dict[str, tuple[str, int, int]] = {}
    async for stored in store.read_all():
        ids.append(stored.event.id)
        by_stream.setdefault(stored.stream, []).append(stored.version)
        placed[stored.event.id] = (stored.stream, stored.version, stored.position)
    assert len(ids) == len(set(ids)), f"doubled, seed {seed}"
    for stream, versions in by_stream.items():
        assert versions == list(range(1, len(versions) + 1)), (stream, seed)
    for first, appended in told.items():
        stem = first.rpartition("/")[0]
        for n, position in enumerate(appended.positions):
            where = (appended.stream, appended.first_version + n, position)
            assert placed.get(f"{stem}/{n}") == where, f"lost or moved, seed {seed}"
    assert len(ids) == sum(len(appended.positions) for appended in told.values())


@pytest.mark.timeout(400)
async def test_a_killed_server_loses_and_doubles_nothing(server: PostgresServer) -> None:
    await torment(server, 2, random.randrange(10**6))


@pytest.mark.torture
@pytest.mark.timeout(3600)
async def test_a_server_killed_over_and_over(server: PostgresServer) -> None:
    await torment(server, 25, random.randrange(10**6))


@pytest.mark.timeout(400)
async def test_positions_that_a_crash_takes_back_are_not_passed_over(
    server: PostgresServer,
) -> None:
    """What an undone append has drawn need not be on disk: after a crash it may be drawn again."""
    await migrate(server.url())
    database = await Database.connect(server.url(), deadline=5)
    store = EventStore(database)
    seen: list[int] = []
    follower = asyncio.create_task(follow(store, seen))
    taken_back = 0
    for round_ in range(3):
        done = await store.append("a-1", [new_event()])
        await eventually(lambda: seen[-1:] == [done.positions[-1]], within=120)  # noqa: B023
        drawn = await undone(store, database)
        await server.kill()
        await server.start()
        after = await insist(store, "a-1", [new_event(f"after-{round_}")], [])
        taken_back += after.positions[0] <= drawn
        await eventually(lambda: seen[-1:] == [after.positions[0]], within=120)  # noqa: B023
    assert seen == [stored.position async for stored in store.read_all()]
    assert taken_back, "the server took nothing back: this test shows nothing"
    assert not follower.done(), follower
    follower.cancel()
    await asyncio.wait([follower])
    await database.close()


async def undone(store: EventStore, database: Database) -> int:
    """Draw many positions for nothing; return the last, once the fence has looked at it."""
    async with database.connection() as connection:
        await connection.execute("BEGIN")
        await store.append_each(
            [StreamAppend("gone-1", [new_event() for _ in range(100)])], connection=connection
        )
        await connection.execute("ROLLBACK")
    store.announce()
    last: int = await database.fetchval("SELECT last FROM fence_mark()")
    marks = store._fence._marks  # noqa: SLF001 - the follower must have looked before the kill
    await eventually(lambda: marks.through >= last, within=120)
    return last
