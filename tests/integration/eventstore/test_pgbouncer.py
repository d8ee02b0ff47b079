"""Behind PgBouncer: session mode is served, the other modes are refused by name."""

import asyncio

import pytest

from eventstore.database import Database
from eventstore.errors import Unsuitable
from eventstore.leases import Leases
from eventstore.store import EventStore
from tests.integration.eventstore.followers import following
from tests.support import pgbouncer
from tests.support.databases import execute, name_of
from tests.unit.eventstore.builders import new_events

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(pgbouncer.PROGRAM is None, reason=pgbouncer.MISSING),
]


async def test_session_mode_is_served(store_url: str) -> None:
    for name, value in {"default_transaction_isolation": "serializable"}.items():
        await execute(store_url, f"ALTER DATABASE {name_of(store_url)} SET {name} = '{value}'")
    async with pgbouncer.pgbouncer(store_url, mode="session") as url:
        database = await Database.connect(url, size=4)
        assert await database.fetchval("SHOW statement_timeout") == "10s"
        assert await database.fetchval("SHOW default_transaction_isolation") == "read committed"
        store = EventStore(database)
        async with following(store) as follower:
            await asyncio.gather(*[store.append(f"a-{n}", new_events(2)) for n in range(20)])
            assert len(await follower.reaches(40)) == 40
        assert await Leases(database).acquire("one", "me", ttl=5) is not None
        await store.aclose()
        await database.close()


async def test_a_pooler_with_one_session_of_the_server_is_served(store_url: str) -> None:
    async with pgbouncer.pgbouncer(store_url, mode="session", pool_size=1) as url:
        database = await Database.connect(url, size=1, deadline=1)
        assert await database.fetchval("SELECT 1") == 1
        await database.close()


@pytest.mark.parametrize("mode", ["transaction", "statement"])
async def test_other_modes_are_refused_by_name(store_url: str, mode: str) -> None:
    async with pgbouncer.pgbouncer(store_url, mode=mode) as url:
        for more in ("", "&statement_cache_size=0"):
            with pytest.raises(Unsuitable, match="pool_mode=session"):
                await Database.connect(f"{url}{more}")


async def test_a_parameter_that_a_pooler_refuses_is_named(store_url: str) -> None:
    async with pgbouncer.pgbouncer(store_url, mode="session") as url:
        with pytest.raises(Unsuitable, match=r"search_path.*ignore_startup_parameters"):
            await Database.connect(f"{url}&search_path=public")
