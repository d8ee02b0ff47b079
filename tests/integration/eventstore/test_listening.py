"""How a subscription hears of what is new, and over what it goes on."""

from typing import Any

import asyncpg
import pytest

from eventstore.database import Database
from eventstore.prepared import StreamAppend
from eventstore.store import EventStore
from tests.integration.eventstore.followers import following
from tests.support.proxy import Proxy
from tests.support.waiting import eventually
from tests.unit.eventstore.builders import new_events


@pytest.fixture
def unpolled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody announces is found by nobody."""
    monkeypatch.setattr("eventstore.fence.POLL", 3600)


@pytest.mark.usefixtures("unpolled")
async def test_other_stores_appends_are_heard(store: EventStore, store_url: str) -> None:
    other = await Database.connect(store_url)
    async with following(store) as follower:
        for count in (1, 2, 3):
            await EventStore(other).append("a-1", new_events(1))
            assert await follower.reaches(count) == list(range(1, count + 1))
    await other.close()


@pytest.mark.slow
async def test_appends_that_nobody_announced_are_found_by_polling(
    store: EventStore, database: Database
) -> None:
    async with following(store) as follower:
        for position in (1, 2, 3):
            async with database.transaction() as connection:
                await store.append_each(
                    [StreamAppend("a-1", new_events(1))], connection=connection
                )
            await follower.reaches(position)


@pytest.mark.usefixtures("unpolled")
async def test_it_goes_on_over_lost_connections(store_url: str) -> None:
    async with Proxy.to(store_url) as proxy:
        database = await Database.connect(proxy.through(store_url), deadline=2)
        direct = await Database.connect(store_url)
        store, writer = EventStore(database), EventStore(direct)
        async with following(store) as follower:
            for round_ in range(1, 4):
                await writer.append("a-1", new_events(2))
                await follower.reaches(3 * round_ - 1)
                await proxy.refuse()
                # While nobody listens: it is read on when somebody does again.
                await writer.append("a-1", new_events(1))
                await proxy.accept()
                await follower.reaches(3 * round_)
            # Heard, by the connection that was made anew.
            await writer.append("a-1", new_events(1))
            assert await follower.reaches(10) == list(range(1, 11))
        await direct.close()
        await database.close()


async def test_it_goes_on_when_the_connection_is_lost_while_it_begins_to_listen(
    store: EventStore, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin, lost = asyncpg.Connection.add_listener, list[int]()

    async def ended_first(self: "asyncpg.Connection[Any]", channel: str, heard: Any) -> None:
        if len(lost) < 2:
            lost.append(self.get_server_pid())
            await database.execute("SELECT pg_terminate_backend($1, 5000)", lost[-1])
        await begin(self, channel, heard)

    monkeypatch.setattr(asyncpg.Connection, "add_listener", ended_first)
    async with following(store) as follower:
        await store.append("a-1", new_events(3))
        assert await follower.reaches(3) == [1, 2, 3]
    assert len(set(lost)) == 2


async def test_what_ends_the_looking_is_told_to_those_who_wait(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise ArithmeticError("nobody expects this")

    monkeypatch.setattr("eventstore.fence.take_mark", broken)
    async with store.subscribe() as subscription:
        with pytest.raises(ArithmeticError, match="nobody expects this"):
            await anext(subscription.batches())


async def test_many_subscriptions_share_one_connection(
    store: EventStore, database: Database
) -> None:
    listeners = (
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE datname = current_database() AND application_name = 'tests-listen'"
    )
    async with following(store) as one, following(store) as two, following(store) as three:
        await store.append("a-1", new_events(1))
        for follower in (one, two, three):
            assert await follower.reaches(1) == [1]
        assert await database.fetchval(listeners) == 1

    async def gone() -> bool:
        return bool(await database.fetchval(listeners) == 0)

    await eventually(gone)
