"""A console that is killed while it runs a replay: the next one continues it, without repeats."""

import json

import pytest
from nats.aio.client import Client

from bridge.history.replay.store import Launch, Replays, ToNats
from bridge.inspect.replays import find_replays
from bridge.jetstream.reader import StreamReader
from eventstore.database import Database
from eventstore.store import EventStore
from tests.support import history
from tests.support.daemon import Bridge, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

COUNT = 900


async def begin(database: Database, store: EventStore, rate: float | None, runner: str) -> str:
    """Write what the page of a console writes."""
    replay = await Replays(database, store).begin(
        history.EVERYTHING,
        ToNats(),
        through=await store.settled(),
        total=COUNT,
        sequence=None,
        who="ada",
        launch=Launch(via="token", reason="a test", runner=runner, rate=rate),  # type: ignore[arg-type]
    )
    return str(replay.id)


async def test_a_killed_console_is_followed_by_the_next_one(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    events = await history.fill(store, COUNT)
    # Nobody runs it yet: the console that wrote it was killed at once.
    number = await begin(database, store, 150.0, "console")
    js, stream = client.jetstream(), f"{bridge.prefix}-REPLAY"

    async def some_are_there() -> bool:
        return (await js.stream_info(stream)).state.messages > COUNT // 10

    first = bridge.console("first")
    await first.start()
    try:
        await eventually(some_are_there, within=120)
        [replay] = await find_replays(database, 1)
        assert replay.phase == "running"
        assert replay.rate < 300
    finally:
        await first.kill()
    # The rest need not take as long.
    await database.execute("update replays set rate = null")
    async with running(bridge.console("second")):

        async def finished() -> bool:
            [replay] = await find_replays(database, 1)
            return replay.phase == "finished"

        await eventually(finished, within=120)
    last = (await js.stream_info(stream)).state.last_seq
    messages = StreamReader(client, stream).read(through=last)
    ids = [json.loads(message.data)["id"] async for _, message in messages]
    assert ids == [each.event.id for each in events]
    [replay] = await find_replays(database, 1)
    assert (str(replay.id), replay.done) == (number, COUNT)
