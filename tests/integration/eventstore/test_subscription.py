from uuid import uuid4

import asyncpg
import pytest

from eventstore.appending import STATEMENTS
from eventstore.database import Database
from eventstore.errors import CheckpointMismatch, Deposed, NotMigrated
from eventstore.events import Origin
from eventstore.filters import Filter
from eventstore.leases import Leases
from eventstore.migrate import migrate
from eventstore.paging import walk_for
from eventstore.prepared import StreamAppend
from eventstore.store import EventStore
from eventstore.subscription import Batch, Checkpoints
from tests.integration.eventstore.followers import following
from tests.support.statements import recorded
from tests.support.waiting import eventually
from tests.unit.eventstore.builders import new_event, new_events


async def test_catch_up_then_live(store: EventStore) -> None:
    await store.append("a-1", new_events(3))
    async with following(store) as follower:
        assert await follower.reaches(3) == [1, 2, 3]
        await store.append("a-1", new_events(2))
        assert await follower.reaches(5) == [1, 2, 3, 4, 5]


async def test_an_event_of_a_log_at_rest_reaches_a_reader_by_two_statements(
    store: EventStore,
) -> None:
    where = Filter(origin=Origin.EMITTED)
    reading = {STATEMENTS["fence_mark"], walk_for(where, "forward").statement}
    writing = {STATEMENTS[name] for name in ("append", "append_one", "announce")}
    found: list[set[str]] = []
    async with following(store, where=where) as follower:
        await store.append("a-1", new_events(1))
        await follower.reaches(1)
        for number in range(2, 7):
            with recorded() as statements:
                await store.append("a-1", new_events(1))
                assert await follower.reaches(number) == [*range(1, number + 1)]
            found.append({sql for sql, _ in statements} - writing)
    # A regular look at the moment of an append finds its writer, which takes more.
    assert reading in found, found


async def test_it_starts_behind_a_position_and_in_batches(store: EventStore) -> None:
    await store.append("a-1", new_events(25))
    batches: list[Batch] = []
    async with store.subscribe(after=5, batch_size=8) as subscription:
        async for batch in subscription.batches():
            batches.append(batch)
            if batch.through == 25:
                break
    assert [len(batch.events) for batch in batches] == [8, 8, 4]
    assert [batch.through for batch in batches] == [13, 21, 25]


@pytest.mark.parametrize(
    "where",
    [
        Filter(origin=Origin.RECEIVED),
        Filter(stream="a-1"),
        Filter(type_prefix="io.example.a"),
        Filter(stream="a-1", type="io.example.a.v1"),
    ],
)
async def test_through_advances_over_what_the_filter_leaves_out(
    store: EventStore, where: Filter
) -> None:
    async with following(store, where=where) as follower:
        await store.append("b-1", new_events(4))
        assert await follower.reaches(4) == []
        await store.append("a-1", [new_event(type="io.example.a.v1", origin=Origin.RECEIVED)])
        await store.append("b-1", new_events(1))
        assert await follower.reaches(6) == [5]


async def test_a_stream_s_subscription_starts_in_its_middle(store: EventStore) -> None:
    for _ in range(10):
        await store.append_each(
            [StreamAppend("a-1", new_events(1)), StreamAppend("b-1", new_events(1))]
        )
    async with following(store, after=7, where=Filter(stream="a-1")) as follower:
        assert await follower.reaches(20) == [9, 11, 13, 15, 17, 19]


async def test_an_open_append_holds_the_fence_and_is_named(
    store: EventStore, database: Database
) -> None:
    async with following(store) as follower:
        async with database.transaction() as slow:
            await store.append_each([StreamAppend("slow-1", new_events(1))], connection=slow)
            await store.append("a-1", new_events(3))
            assert await store.head() == 4

            async def held() -> bool:
                status = await store.fence_status()
                assert [holder.application for holder in status.holders] == ["tests"]
                assert (status.through, status.last, status.lag) == (0, 4, 4)
                (holder,) = status.holders
                return holder.pid is not None and holder.state == "idle in transaction"

            await eventually(held)
            assert follower.positions == []
        assert await follower.reaches(4) == [1, 2, 3, 4]
    assert (await store.fence_status()).lag == 0


async def test_what_was_final_stays_so_while_an_append_holds_the_fence(
    store: EventStore, database: Database
) -> None:
    await store.append("a-1", new_events(3))
    async with following(store) as follower:
        await follower.reaches(3)
        async with database.transaction() as slow:
            await store.append_each([StreamAppend("slow-1", new_events(1))], connection=slow)
            status = await store.fence_status()
            assert (status.through, status.lag) == (3, 1)
        await follower.reaches(4)


async def test_a_rolled_back_append_is_a_gap_that_is_passed(
    store: EventStore, database: Database
) -> None:
    async with following(store) as follower:
        connection = await asyncpg.connect(database.dsn)
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute(RAW_INSERT, uuid4())
        await store.append("a-1", new_events(1))
        await transaction.rollback()
        await connection.close()
        assert await follower.reaches(2) == [2]


RAW_INSERT = (
    "INSERT INTO events (stream, version, uid, emitted, type, digest, envelope)"
    " SELECT 'raw-' || u, 1, u, true, 'raw.v1', sha256('x'), json_build_object('id', u, 'source', '/raw')"
    " FROM (SELECT $1::uuid AS u) AS given"
)


async def test_a_prepared_transaction_holds_the_fence_until_it_is_decided(
    store: EventStore, database: Database
) -> None:
    name = uuid4().hex
    writer = await asyncpg.connect(database.dsn)
    await writer.execute("BEGIN")
    await writer.execute(RAW_INSERT, uuid4())
    await writer.execute(f"PREPARE TRANSACTION '{name}'")
    await writer.close()
    try:
        await store.append("a-1", new_events(1))
        async with following(store) as follower:

            async def named() -> bool:
                holders = (await store.fence_status()).holders
                return [holder.pid for holder in holders] == [None]

            await eventually(named)
            assert follower.positions == []
            await database.execute(f"COMMIT PREPARED '{name}'")
            name = ""
            assert await follower.reaches(2) == [1, 2]
    finally:
        if name:
            await database.execute(f"ROLLBACK PREPARED '{name}'")


async def test_two_schemas_of_one_database_do_not_wake_or_fence_each_other(
    database_url: str,
) -> None:
    urls = []
    connection = await asyncpg.connect(database_url)
    for schema in ("one", "two"):
        await connection.execute(f"CREATE SCHEMA {schema}")
        urls.append(f"{database_url}&search_path={schema}")
        await migrate(urls[-1])
    await connection.close()
    one, two = [await Database.connect(url) for url in urls]
    assert await one.fetchval("SELECT events_channel()") != await two.fetchval(
        "SELECT events_channel()"
    )
    first, second = EventStore(one), EventStore(two)
    async with two.transaction() as open_append, following(first) as follower:
        await second.append_each([StreamAppend("a-1", new_events(1))], connection=open_append)
        await first.append("a-1", new_events(1))
        assert await follower.reaches(1) == [1]
        assert (await first.fence_status()).holders == ()
    await one.close()
    await two.close()


async def test_a_log_that_is_not_there_is_an_error_and_no_silence(database_url: str) -> None:
    database = await Database.connect(database_url)
    async with EventStore(database).subscribe() as subscription:
        with pytest.raises(NotMigrated):
            await anext(subscription.batches())
    await database.close()


async def test_checkpoints(database: Database, store: EventStore) -> None:
    checkpoints = Checkpoints(database)
    assert await checkpoints.load("reader") is None
    await store.append("a-1", new_events(9))
    await checkpoints.save("reader", 5)
    await checkpoints.save("reader", 4)
    assert await checkpoints.load("reader") == 4
    async with database.transaction() as connection:
        await checkpoints.save("reader", 7, connection=connection)
    assert await checkpoints.load("reader") == 7


async def test_a_checkpoint_under_a_later_epoch_is_not_moved_back(
    database: Database, store: EventStore
) -> None:
    await store.append("a-1", new_events(9))
    checkpoints, leases = Checkpoints(database), Leases(database)
    lease = await leases.acquire("reader", "first", 30)
    assert lease is not None
    await checkpoints.save("reader", 3, lease)
    await lease.release()
    with pytest.raises(Deposed):
        await checkpoints.save("reader", 4, lease)
    with pytest.raises(Deposed, match="later epoch"):
        await checkpoints.save("reader", 4)
    successor = await leases.acquire("reader", "second", 30)
    await checkpoints.save("reader", 6, successor)
    assert await checkpoints.load("reader") == 6


async def test_a_restored_backup_is_noticed(database: Database, store: EventStore) -> None:
    checkpoints = Checkpoints(database)
    await store.append("a-1", new_events(1))
    await checkpoints.save("ahead", 10)
    await checkpoints.save("reader", 1)
    with pytest.raises(CheckpointMismatch, match="ahead of the log"):
        await checkpoints.load("ahead")
    await store.renew_incarnation()
    with pytest.raises(CheckpointMismatch, match="another incarnation"):
        await checkpoints.load("reader")
    await checkpoints.save("reader", 1)
    assert await checkpoints.load("reader") == 1


async def test_a_start_that_this_log_does_not_know_is_refused(store: EventStore) -> None:
    first = await store.append("a-1", events := new_events(3))
    last = first.positions[-1]
    uid = events[-1].event.uid
    async with store.subscribe(after=last, uid=uid) as subscription:
        await store.append("a-1", new_events(1))
        assert (await anext(subscription.batches())).through == last + 1
    for after, other, words in (
        (last + 100, None, "ahead of the log"),
        (last, uuid4(), "is not that of the event"),
        (first.positions[0], uid, "is not that of the event"),
    ):
        async with store.subscribe(after=after, uid=other) as subscription:
            with pytest.raises(CheckpointMismatch, match=words):
                await anext(subscription.batches())
