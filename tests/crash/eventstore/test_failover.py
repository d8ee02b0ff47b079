"""A primary and its standby: what a pool over both of them reads, writes and finds out."""

import asyncio
import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.devstack.ports import HOST
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.errors import CheckpointMismatch, HistoryLost, ReadOnly, Unavailable
from eventstore.migrate import migrate
from eventstore.store import EventStore
from tests.crash.eventstore.test_killed_server import (
    Acknowledged,
    follow,
    insist,
    verify,
    write,
)
from tests.integration.eventstore.followers import following
from tests.support.proxy import Proxy
from tests.support.replication import Pair, ask, pair
from tests.support.waiting import eventually
from tests.unit.eventstore.builders import new_event, new_events

pytestmark = pytest.mark.slow

DEADLINE = 3.0


@pytest.fixture
async def servers(tmp_path: Path) -> AsyncIterator[Pair]:
    async with pair(tmp_path) as servers:
        await migrate(servers.url())
        await servers.wait_for_standby(synchronous=True)
        yield servers


@pytest.fixture
async def database(servers: Pair) -> AsyncIterator[Database]:
    database = await Database.connect(servers.url(), deadline=DEADLINE)
    yield database
    await database.close()


async def torment(servers: Pair, database: Database, times: int, seed: int) -> None:
    """Fail over again and again under appends; a follower gets all of the log, in order, once."""
    rng = random.Random(seed)
    store = EventStore(database)
    stop, told, retries = asyncio.Event(), Acknowledged(), list[str]()
    seen: list[int] = []
    follower = asyncio.create_task(follow(store, seen))
    writers = [
        asyncio.create_task(write(store, number, stop, told, retries)) for number in range(6)
    ]
    try:
        for _ in range(times):
            answered = len(told) + rng.randrange(30, 100)
            await eventually(lambda: len(told) >= answered, within=120)  # noqa: B023 - awaited here
            await servers.fail_over()
            answered = len(told) + 20
            await eventually(lambda: len(told) >= answered, within=120)  # noqa: B023
            await servers.replace_standby()
        stop.set()
        await asyncio.gather(*writers)
        assert retries, "the primary was killed and nobody noticed"
        await verify(store, told, seed)
        log = [stored.position async for stored in store.read_all()]
        await eventually(lambda: seen[-1:] == log[-1:] or follower.done(), within=120)
        assert seen == log, f"the subscription over the failovers, seed {seed}"
    finally:
        for task in (follower, *writers):
            task.cancel()
        await asyncio.wait([follower, *writers])


@pytest.mark.timeout(600)
async def test_a_failover_under_load_skips_and_loses_nothing(
    servers: Pair, database: Database
) -> None:
    await torment(servers, database, 1, random.randrange(10**6))


@pytest.mark.torture
@pytest.mark.timeout(3600)
async def test_ten_failovers_under_load_skip_and_lose_nothing(
    servers: Pair, database: Database
) -> None:
    await torment(servers, database, 10, random.randrange(10**6))


async def test_a_standby_whose_replay_is_paused_is_never_read(servers: Pair) -> None:
    """The standby's port first: a driver that takes what answers would fill the pool with it."""
    await servers.be_asynchronous(servers.primary)
    await ask(servers.standby, "SELECT pg_wal_replay_pause()")
    url = servers.url()
    first, second = f"{HOST}:{servers.standby.port}", f"{HOST}:{servers.primary.port}"
    authority = url.partition("@")[2].partition("/")[0]
    database = await Database.connect(url.replace(authority, f"{first},{second}"), size=4)
    store = EventStore(database)
    async with following(store) as follower:
        for round_ in range(1, 6):
            await asyncio.gather(*[store.append(f"a-{n}", new_events(2)) for n in range(8)])
            await follower.reaches(16 * round_)
        log = [stored.position async for stored in store.read_all()]
        assert follower.positions == log
        assert len(log) == 80
    await database.close()


async def test_connections_that_turn_read_only_are_replaced_at_once(
    servers: Pair, database: Database
) -> None:
    """An operator demotes the primary without ending it; its sessions stay and refuse every write."""
    store = EventStore(database)
    await asyncio.gather(*[store.append(f"a-{n}", new_events(1)) for n in range(20)])
    await ask(servers.primary, "ALTER SYSTEM SET default_transaction_read_only = on")
    await ask(servers.primary, "SELECT pg_reload_conf()")

    async def refused() -> bool:
        try:
            await store.append("a-1", new_events(1))
        except ReadOnly:
            return True
        return False  # the sessions have not read their configuration again yet

    await eventually(refused)
    await servers.promote()
    retries: list[str] = []
    async with asyncio.timeout(120):
        await asyncio.gather(
            *[insist(store, f"b-{n}", [new_event()], retries) for n in range(20)]
        )
    assert (
        await database.fetchval(
            "SELECT timeline FROM pg_control_checkpoint(), LATERAL"
            " (SELECT ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int AS timeline) t"
        )
        == 2
    )


async def test_a_former_primary_that_still_runs_is_not_gone_back_to(servers: Pair) -> None:
    async with Proxy(HOST, servers.primary.port) as proxy:
        url = servers.url().replace(f":{servers.primary.port}", f":{proxy.port}")
        database = await Database.connect(url, deadline=DEADLINE)
        store = EventStore(database)
        await store.append("a-1", new_events(1))
        await proxy.refuse()  # cut off from us, and running
        await servers.be_asynchronous(servers.primary)
        await servers.promote()
        retries: list[str] = []
        async with asyncio.timeout(120):
            await insist(store, "a-1", [new_event()], retries)
        await proxy.accept()
        former = servers.standby
        await servers.primary.stop()

        async def refused() -> bool:
            try:
                await store.append("a-1", new_events(1))
            except ReadOnly as error:
                return "former primary" in str(error)
            return False

        await eventually(refused, within=120, forgive=(Unavailable,))
        assert await ask(former, "SELECT count(*) FROM events") == 1
        await database.close()


async def test_a_failover_that_loses_commits_is_said_and_skips_nothing(
    servers: Pair, database: Database
) -> None:
    await servers.be_asynchronous(servers.primary)
    store = EventStore(database)
    async with store.subscribe() as subscription:
        batches = subscription.batches()
        await store.append("a-1", new_events(1))
        assert (await anext(batches)).through == 1
        await servers.wait_for_standby(synchronous=False)
        await ask(servers.standby, "SELECT pg_wal_replay_pause()")
        await servers.standby.stop()  # it receives no more
        lost = await store.append("a-1", new_events(90))
        while (await anext(batches)).through < lost.positions[-1]:
            pass
        await servers.primary.kill()
        await servers.standby.start()
        await servers.promote()
        with pytest.raises(HistoryLost, match="lacks the event"):
            async with asyncio.timeout(120):
                await anext(batches)
    # A reader that starts now with the position it had is told too.
    with pytest.raises(CheckpointMismatch, match="ahead of the log"):
        async with store.subscribe(after=lost.positions[-1] + 1000) as subscription:
            await anext(subscription.batches())


@pytest.mark.torture
async def test_a_missing_synchronous_standby_is_said_and_nothing_is_lost(
    servers: Pair, database: Database
) -> None:
    store = EventStore(database)
    await store.append("a-1", new_events(1))
    await servers.standby.kill()
    # The commit waits for a standby that does not answer; the deadline ends the wait, not the commit.
    with pytest.raises(Unavailable) as refused:
        await store.append("a-2", [new_event("waits")])
    assert refused.value.ambiguous

    async def said() -> bool:
        (row,) = await database.fetch(STATEMENTS["server_state"])
        return bool(row["without_standby"])

    await eventually(said, within=120)
    await servers.be_asynchronous(servers.primary)
    retries: list[str] = []
    async with asyncio.timeout(120):
        await insist(store, "a-2", [new_event("waits")], retries)
    assert [event.event.id async for event in store.read_stream("a-2")] == ["waits"]
