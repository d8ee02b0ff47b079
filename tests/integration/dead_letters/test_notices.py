"""Each dead letter is told of on NATS, whatever happens to the stream or to the daemon."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from nats.js.errors import NotFoundError

from bridge import dead_letters
from bridge.cloudevents.codec import decode
from bridge.dead_letters import DeadLetter
from bridge.dead_letters.publisher import DeadLetterNotices
from bridge.jetstream.connection import NatsConnection
from bridge.lifecycle.leadership import Leadership
from eventstore.database import Database
from eventstore.leases import Leases
from eventstore.store import EventStore
from tests.integration.dead_letters.builders import delivery, order, record, routes, set_aside
from tests.support.daemon import Bridge
from tests.support.waiting import eventually

Running = Callable[[], AbstractAsyncContextManager[None]]


@pytest.fixture
def notices(bridge: Bridge, database: Database, store: EventStore) -> Running:
    """Runs the service for a while."""

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        nats = bridge.settings.nats
        connection = NatsConnection(nats, "test")
        leadership = Leadership(Leases(database), "dead-letter-notices", "test")
        service = DeadLetterNotices(
            connection,
            database,
            store,
            nats,
            "com.example",
            leadership,
            poll=0.02,
            max_pause=0.1,
        )
        await connection.start()
        await service.start()
        try:
            yield
        finally:
            await service.stop()
            await connection.stop()

    return running


@pytest.fixture
def js(client: Client) -> JetStreamContext:
    return client.jetstream()


@pytest.fixture
def stream(bridge: Bridge) -> str:
    return f"{bridge.prefix}-DEADLETTERS"


async def messages(js: JetStreamContext, stream: str) -> list[RawStreamMsg]:
    try:
        state = (await js.stream_info(stream)).state
    except NotFoundError:
        return []
    found = range(state.first_seq, state.last_seq + 1) if state.messages else ()
    return [await js.get_msg(stream, sequence) for sequence in found]


async def unnotified(database: Database) -> int:
    return int(
        await database.fetchval("select count(*) from dead_letters where notified_at is null")
    )


async def all_notified(database: Database) -> None:
    async def none_left() -> bool:
        return await unnotified(database) == 0

    await eventually(none_left, what="all letters are notified")


async def test_a_notice_says_what_died_and_holds_no_bytes(
    bridge: Bridge,
    database: Database,
    store: EventStore,
    notices: Running,
    js: JetStreamContext,
    stream: str,
    tmp_path: Path,
) -> None:
    broken = routes(tmp_path, "ship.it", key="data.nothing")
    secret = order(1, data={"secret": "hush"})
    await record(database, store, broken, delivery(1, b"hush"), delivery(2, secret))
    async with notices():
        await all_notified(database)
    first, second = await messages(js, stream)
    assert first.subject == f"{bridge.prefix}.deadletters.intake.-"
    assert second.subject == f"{bridge.prefix}.deadletters.dispatch.ship_it"
    event = decode(second.headers, second.data or b"")
    assert event.type == "com.example.bridge.dead-lettered.v1"
    assert event.extensions == {"correlationid": "order-1", "causationid": "order-1"}
    notice = json.loads(event.data or b"")
    assert (notice["stage"], notice["code"]) == ("dispatch", "expression")
    assert notice["route"] == "ship.it"
    assert notice["event"]["id"] == "order-1"
    about_bytes = json.loads(decode(first.headers, first.data or b"").data or b"")
    assert (about_bytes["stream"], about_bytes["sequence"]) == ("EVENTS", 1)
    assert not any(b"hush" in (each.data or b"") for each in (first, second))


async def test_a_crash_between_publish_and_mark_repeats_nothing_that_shows(
    database: Database, notices: Running, js: JetStreamContext, stream: str
) -> None:
    await set_aside(database, *(delivery(number, b"{") for number in range(1, 251)))
    async with notices():
        await all_notified(database)
    once = await messages(js, stream)
    subjects = [json.loads(each.data or b"")["data"]["letter"] for each in once]
    assert subjects == sorted(subjects)
    assert len(once) == 250

    await database.execute("update dead_letters set notified_at = null where id > 100")
    async with notices():
        await all_notified(database)
    assert len(await messages(js, stream)) == 250


async def test_without_a_stream_letters_are_kept_and_told_of_later(
    database: Database, notices: Running, js: JetStreamContext, stream: str
) -> None:
    config = (await js.stream_info(stream)).config
    await js.delete_stream(stream)
    await set_aside(database, delivery(1, b"{"), delivery(2, b"{"))
    async with notices():
        await js.add_stream(config)
        await all_notified(database)
    assert len(await messages(js, stream)) == 2


async def test_a_full_stream_holds_nothing_else_up(
    database: Database,
    notices: Running,
    js: JetStreamContext,
    stream: str,
) -> None:
    config = (await js.stream_info(stream)).config
    await js.update_stream(config.evolve(max_msgs=1))
    await set_aside(database, delivery(1, b"{"), delivery(2, b"{"))

    async def one_left() -> bool:
        return await unnotified(database) == 1

    async with notices():
        await eventually(one_left)
        # Letters are written as ever.
        await set_aside(database, delivery(3, b"{"))
        await js.update_stream(config.evolve(max_msgs=-1))
        await all_notified(database)
    letters = [
        json.loads(each.data or b"")["data"]["letter"] for each in await messages(js, stream)
    ]
    assert letters == sorted(letters)
    assert len(letters) == 3


async def test_an_event_with_a_very_long_id_does_not_hold_up_the_notices_of_others(
    database: Database,
    store: EventStore,
    notices: Running,
    js: JetStreamContext,
    stream: str,
    tmp_path: Path,
) -> None:
    config = (await js.stream_info(stream)).config
    await js.update_stream(config.evolve(max_msg_size=2**20))  # a server's usual limit
    broken = routes(tmp_path, "ship", key="data.nothing")
    long = order(1, id="i" * 600_000)
    await record(database, store, broken, delivery(1, long), delivery(2, order(2)))
    async with notices():
        await all_notified(database)
    first, second = await messages(js, stream)
    event = decode(first.headers, first.data or b"")
    assert "causationid" not in event.extensions
    assert json.loads(event.data or b"")["event"]["id"] == f"{'i' * 1000}… (600000 characters)"
    assert json.loads(second.data or b"")["causationid"] == "order-2"


async def test_the_same_fault_has_one_letter(database: Database) -> None:
    letter = DeadLetter(
        stage="intake", code="json", reason="no JSON", stream="EVENTS", sequence=1,
        stream_created=delivery(1, b"").stream_created,
    )  # fmt: skip
    for _ in range(2):
        async with database.transaction() as connection:
            await dead_letters.insert(connection, [letter, letter])
    assert await database.fetchval("select count(*) from dead_letters") == 1
