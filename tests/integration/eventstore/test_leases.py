import asyncio

import asyncpg
import pytest

from eventstore.database import Connection, Database
from eventstore.errors import Deposed, Unavailable
from eventstore.leases import PATIENCE, Lease, Leases
from eventstore.prepared import StreamAppend
from eventstore.store import EventStore
from eventstore.subscription import Checkpoints
from tests.support.waiting import eventually
from tests.unit.eventstore.builders import new_events

LONG = 60.0


@pytest.fixture
def leases(database: Database) -> Leases:
    return Leases(database)


async def taken(leases: Leases, owner: str, ttl: float = LONG) -> Lease:
    """Acquire as soon as it can be had."""
    return await eventually(lambda: leases.acquire("relay", owner, ttl), within=10)


async def expire(database: Database) -> None:
    """Make it later for the lease, by the database's clock."""
    await database.execute("UPDATE leases SET expires_at = clock_timestamp() - interval '1 s'")


async def test_one_of_many_gets_it(leases: Leases) -> None:
    asked = [leases.acquire("relay", f"owner {n}", LONG) for n in range(20)]
    got = [lease for lease in await asyncio.gather(*asked) if lease is not None]
    assert [lease.epoch for lease in got] == [1]


async def test_names_are_apart(leases: Leases) -> None:
    assert await leases.acquire("one", "me", LONG)
    assert await leases.acquire("two", "me", LONG)


async def test_a_namesake_has_to_wait_too(leases: Leases) -> None:
    assert await leases.acquire("relay", "me", LONG)
    assert await leases.acquire("relay", "me", LONG) is None


async def test_release_frees_at_once_and_the_epoch_grows(leases: Leases) -> None:
    first = await taken(leases, "first")
    await first.release()
    await first.release()
    second = await leases.acquire("relay", "second", LONG)
    assert second is not None
    assert second.epoch == first.epoch + 1
    with pytest.raises(Deposed):
        await first.renew()
    await first.release()
    await second.renew()


async def test_what_has_expired_by_the_database_s_clock_can_be_had(leases: Leases) -> None:
    first = await taken(leases, "first", 0.3)
    second = await taken(leases, "second")
    assert second.epoch == first.epoch + 1
    with pytest.raises(Deposed):
        await first.renew()


async def test_renewal_prolongs_and_revives_what_nobody_took(
    leases: Leases, database: Database
) -> None:
    lease = await taken(leases, "me")
    await expire(database)
    await lease.renew()
    assert await leases.acquire("relay", "other", LONG) is None


async def test_a_deposed_owner_s_fenced_writes_fail_and_the_successor_s_stand(
    leases: Leases, database: Database, store: EventStore
) -> None:
    async def fenced_append(lease: Lease) -> None:
        async with database.transaction() as connection:
            await store.append_each(
                [StreamAppend(f"by-{lease.owner}", new_events(1))], connection=connection
            )
            await lease.assert_held(connection)

    first = await taken(leases, "first")
    await fenced_append(first)
    await expire(database)
    second = await taken(leases, "second")
    with pytest.raises(Deposed, match='"relay" is no longer held by "first"'):
        await fenced_append(first)
    await fenced_append(second)
    assert await store.stream_version("by-first") == 1
    assert await store.stream_version("by-second") == 1


async def test_a_takeover_waits_for_a_fenced_write_under_way(
    leases: Leases, database: Database
) -> None:
    first = await taken(leases, "first")
    async with database.transaction() as connection:
        await first.assert_held(connection)
        await expire(database)
        assert await leases.acquire("relay", "second", LONG) is None
    assert await leases.acquire("relay", "second", LONG) is not None


async def test_fenced_writes_of_one_owner_do_not_wait_for_each_other(
    leases: Leases, database: Database
) -> None:
    lease = await taken(leases, "me")
    async with database.transaction() as one, database.transaction() as two:
        await lease.assert_held(one)
        await lease.assert_held(two)
        await lease.renew()


@pytest.mark.slow
async def test_an_owner_frozen_inside_a_fenced_write_is_cut_off(
    leases: Leases, database: Database, store: EventStore
) -> None:
    first = await taken(leases, "first")

    async def frozen() -> None:
        async with database.transaction() as connection:
            await first.assert_held(connection)
            await store.append_each([StreamAppend("a-1", new_events(1))], connection=connection)
            await expire(database)
            clock = asyncio.get_running_loop().time
            since = clock()
            await taken(leases, "second")
            assert clock() - since < PATIENCE + 2
            await connection.fetchval("SELECT 1")

    with pytest.raises(Unavailable):
        await frozen()
    assert await store.count() == 0


@pytest.mark.slow
async def test_an_owner_frozen_before_it_binds_a_statement_is_cut_off(
    database: Database, leases: Leases
) -> None:
    first = await taken(leases, "first", ttl=1)
    hasty = await Database.connect(database.dsn, size=2, deadline=1.0)
    raw = await asyncpg.connect(database.dsn, timeout=10)
    try:

        async def frozen() -> None:
            async with hasty.transaction() as connection:
                await first.assert_held(connection)
                # Postgres now waits for the bind message, as if the process was frozen before it sent that.
                await connection._raw.prepare("SELECT 'frozen here'")  # noqa: SLF001
                states = "SELECT state FROM pg_stat_activity WHERE query LIKE 'SELECT ''frozen here%'"
                assert await raw.fetchval(states) == "active"
                await taken(leases, "second")
                await connection.fetchval("SELECT 1")

        with pytest.raises(Unavailable):
            await frozen()
    finally:
        await raw.close()
        await hasty.close()


async def test_a_lease_that_never_was_is_not_held(database: Database) -> None:
    async def stale(connection: Connection) -> None:
        await Lease(database, "relay", "nobody", 7, LONG).assert_held(connection)

    async with database.connection() as connection:
        with pytest.raises(Deposed):
            await stale(connection)


@pytest.mark.parametrize("ttl", [0.0, -1.0])
async def test_a_lease_lives(leases: Leases, ttl: float) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        await leases.acquire("relay", "me", ttl)


async def clock_goes_back(database: Database, hours: int = 1) -> None:
    """Make the rows look as they do after the server's clock was set back."""
    await database.execute(
        f"UPDATE leases SET expires_at = expires_at + interval '{hours} h', "
        f"acquired_at = acquired_at + interval '{hours} h'"
    )


async def test_a_dead_owner_s_lease_is_free_soon_after_the_clock_went_back(
    leases: Leases, database: Database
) -> None:
    first = await taken(leases, "first", 0.5)
    await clock_goes_back(database)
    assert await leases.acquire("relay", "second", LONG) is None
    second = await taken(leases, "second")
    with pytest.raises(Deposed):
        await first.renew()
    assert second.epoch > first.epoch


async def test_a_living_owner_keeps_its_lease_when_the_clock_went_back(
    leases: Leases, database: Database
) -> None:
    lease = await taken(leases, "me")
    await clock_goes_back(database)
    assert await leases.adjust() == ["relay"]
    assert await leases.acquire("relay", "other", LONG) is None
    await lease.renew()
    assert await leases.adjust() == []
    assert await leases.held("") == {"relay": "me"}


async def test_the_epoch_grows_although_the_rows_of_leases_were_deleted(
    leases: Leases, database: Database
) -> None:
    checkpoints = Checkpoints(database)
    first = await taken(leases, "first")
    await first.release()
    second = await taken(leases, "second")
    await checkpoints.save("relay", 0, second)
    await database.execute("DELETE FROM leases")
    with pytest.raises(Deposed):
        await second.renew()
    third = await taken(leases, "third")
    assert third.epoch > second.epoch
    await checkpoints.save("relay", 0, third)
    await database.execute("DELETE FROM leases")
    fourth = await leases.depose("relay", "fourth", LONG)
    await checkpoints.save("relay", 0, fourth)
