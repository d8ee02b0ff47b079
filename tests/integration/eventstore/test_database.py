import asyncio
from collections.abc import AsyncIterator

import pytest

from eventstore.database import Connection, Database, address_in
from eventstore.errors import NotAdmitted, NotMigrated, StatementFailed, Unavailable
from eventstore.store import EventStore
from tests.support.databases import with_database, with_password
from tests.support.proxy import Proxy
from tests.support.waiting import eventually
from tests.unit.eventstore.builders import new_events

DEADLINE = 1.5


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    async with Proxy.to(database_url) as proxy:
        yield proxy


@pytest.fixture
async def far(proxy: Proxy, database_url: str) -> AsyncIterator[Database]:
    """The database behind a proxy, with little patience."""
    database = await Database.connect(proxy.through(database_url), deadline=DEADLINE, size=3)
    yield database
    proxy.resume()
    await database.close()


async def test_a_statement_has_a_deadline_on_the_server(far: Database) -> None:
    async with far.connection() as connection:
        with pytest.raises(Unavailable) as late:
            await connection.fetchval("SELECT pg_sleep(60)")
        assert not late.value.ambiguous
        assert await connection.fetchval("SELECT 1") == 1


async def test_a_black_hole_is_terminated_and_not_awaited(far: Database, proxy: Proxy) -> None:
    assert await far.fetchval("SELECT 1") == 1
    proxy.stall()
    async with asyncio.timeout(DEADLINE * 10):
        with pytest.raises(Unavailable) as lost:
            await far.fetchval("SELECT 1")
        assert lost.value.ambiguous
        with pytest.raises(Unavailable):
            await far.fetchval("SELECT 1")
    proxy.resume()
    proxy.cut()

    async def answers() -> bool:
        return bool(await far.fetchval("SELECT true"))

    await eventually(answers, forgive=(Unavailable,))


async def test_closing_never_hangs(far: Database, proxy: Proxy) -> None:
    async with far.connection():
        pass
    proxy.stall()
    async with asyncio.timeout(DEADLINE * 10):
        await far.close()
    with pytest.raises(Unavailable, match="closed"):
        await far.fetchval("SELECT 1")


async def test_nobody_waits_for_a_connection_for_ever(far: Database) -> None:
    async with far.connection(), far.connection(), far.connection():
        with pytest.raises(Unavailable, match="came free") as refused:
            await far.fetchval("SELECT 1")
        assert not refused.value.ambiguous


async def test_a_server_that_is_not_there_is_unavailable(
    proxy: Proxy, database_url: str
) -> None:
    await proxy.refuse()
    url = proxy.through(database_url)
    with pytest.raises(Unavailable, match=f"at {address_in(url)} cannot be reached"):
        await Database.connect(url, deadline=DEADLINE)


async def test_a_server_that_does_not_answer_is_unavailable(
    proxy: Proxy, database_url: str
) -> None:
    proxy.stall()
    url = proxy.through(database_url)
    with pytest.raises(Unavailable, match=f"at {address_in(url)} did not answer in time"):
        await Database.connect(url, deadline=DEADLINE)


async def test_a_server_that_refuses_us_is_named_without_the_password(
    database_url: str,
) -> None:
    for url in (with_password(database_url, "s3cret"), with_database(database_url, "nowhere")):
        with pytest.raises(NotAdmitted, match=f"at {address_in(url)} refuses") as refused:
            await Database.connect(url)
        assert "s3cret" not in str(refused.value)


async def test_a_cancelled_statement_costs_its_connection_and_no_more(
    database: Database,
) -> None:
    task = asyncio.create_task(database.fetchval("SELECT pg_sleep(60) AS cancelled_one"))

    async def running() -> bool:
        return bool(
            await database.fetchval(
                "SELECT count(*) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
                " AND state = 'active' AND query LIKE '%cancelled_one%'"
            )
        )

    await eventually(running)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.gather(*[database.fetchval("SELECT 1") for _ in range(20)]) == [1] * 20

    async def ended() -> bool:
        return not await running()

    await eventually(ended)


async def test_a_connection_that_comes_back_in_a_transaction_is_not_lent_again(
    database: Database,
) -> None:
    async with database.connection() as connection:
        await connection.execute("BEGIN")
        pid = await connection.fetchval("SELECT pg_backend_pid()")
    assert await database.fetchval("SELECT pg_backend_pid()") != pid


async def test_errors_of_the_block_are_its_own(database: Database) -> None:
    async def fail(error: Exception) -> None:
        async with database.transaction():
            raise error

    for error in (TimeoutError("mine"), OSError("mine"), KeyError("mine")):
        with pytest.raises(type(error), match="mine"):
            await fail(error)


async def test_savepoints(store: EventStore, database: Database) -> None:
    async def lose(connection: Connection) -> None:
        async with connection.transaction():
            await connection.execute("CREATE TABLE lost (n int)")
            raise KeyError

    async with database.transaction() as connection:
        await connection.execute("CREATE TABLE kept (n int)")
        with pytest.raises(KeyError):
            await lose(connection)
    assert await database.fetchval("SELECT to_regclass('kept') IS NOT NULL")
    assert await database.fetchval("SELECT to_regclass('lost') IS NULL")
    assert await store.count() == 0


async def test_errors_are_translated(database_url: str) -> None:
    database = await Database.connect(database_url)
    with pytest.raises(NotMigrated, match="migrate the database"):
        await EventStore(database).append("a-1", new_events(1))
    with pytest.raises(StatementFailed) as refused:
        await database.execute("SELECT 1 / 0")
    assert refused.value.sqlstate == "22012"
    with pytest.raises(StatementFailed, match=r"argument \$1"):
        await database.fetchval("SELECT $1::int", "no number")
    await database.close()


async def test_executemany(database: Database) -> None:
    await database.execute("CREATE TABLE numbers (n int PRIMARY KEY)")
    async with database.connection() as connection:
        await connection.executemany("INSERT INTO numbers VALUES ($1)", [(1,), (2,)])
        with pytest.raises(StatementFailed):
            await connection.executemany("INSERT INTO numbers VALUES ($1)", [(3,), (3,)])
    assert await database.fetchval("SELECT count(*) FROM numbers") == 2
    assert await database.fetchrow("SELECT n FROM numbers WHERE n = 9") is None


async def test_the_server_is_told_who_is_connected(database: Database) -> None:
    row = await database.fetchrow(
        "SELECT current_setting('application_name') AS name, current_setting('statement_timeout') AS deadline"
    )
    assert row is not None
    assert (row["name"], row["deadline"]) == ("tests", "10s")
