"""A lost or damaged stream of results is made anew from the store, while a relay runs."""

import asyncio
from typing import Any

import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext

from eventstore.database import Database
from eventstore.store import EventStore
from tests.support import checker, history
from tests.support.cli import ntbridge
from tests.support.daemon import Bridge
from tests.support.history import Interrupted
from tests.support.relays import passed, rebuild, relaying
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

COUNT = 400


async def all_there(client: Client, bridge: Bridge, count: int) -> None:
    js, stream = client.jetstream(), f"{bridge.prefix}-RESULTS"

    async def look() -> bool:
        return (await js.stream_info(stream)).state.messages == count

    await eventually(look, within=30)


async def lose(js: JetStreamContext, stream: str) -> None:
    await js.delete_stream(stream)


async def lose_the_beginning(js: JetStreamContext, stream: str) -> None:
    await js.purge_stream(stream, seq=COUNT // 2)


@pytest.mark.parametrize(
    "damage", [lose, pytest.param(lose_the_beginning, marks=pytest.mark.torture)]
)
async def test_rebuilt_under_a_running_relay_it_is_what_the_store_renders(
    bridge: Bridge, client: Client, database: Database, store: EventStore, damage: Any
) -> None:
    events = await history.fill(store, COUNT)
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, events[-1].position)
        await damage(client.jetstream(), f"{bridge.prefix}-RESULTS")
        more = asyncio.create_task(history.fill(store, COUNT, first=COUNT + 1))
        assert await rebuild(bridge, database, store, events[-1].position) == 0
        await more
        await history.fill(store, 1, first=2 * COUNT + 1)
        await all_there(client, bridge, 2 * COUNT + 1)
    await checker.assert_same_results(bridge, 2 * COUNT + 1)


async def test_killed_in_the_middle_the_relay_goes_on_with_it(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    events = await history.fill(store, COUNT)
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, events[-1].position)
    js, stream = client.jetstream(), f"{bridge.prefix}-RESULTS"
    await js.purge_stream(stream, seq=10)
    left = COUNT // 2

    def advanced(count: int) -> None:
        nonlocal left
        left -= count
        if left < 0:
            raise Interrupted

    with pytest.raises(Interrupted):
        await rebuild(bridge, database, store, events[-1].position, advanced)
    async with relaying(bridge, database, store):
        await all_there(client, bridge, COUNT)
    await checker.assert_same_results(bridge, COUNT)


async def test_the_command_rebuilds_what_is_wrong_and_leaves_alone_what_is_right(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    events = await history.fill(store, COUNT)
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, events[-1].position)
    command = ("verify", "--rebuild", "--grace", "0")
    env = bridge.environment
    right = await ntbridge(*command, cwd=bridge.folder, env=env)
    assert (right.code, "nothing to rebuild" in right.err) == (0, True), right.err
    await client.jetstream().delete_msg(f"{bridge.prefix}-RESULTS", 7)
    asked = await ntbridge(*command, cwd=bridge.folder, env=env)
    assert (asked.code, "Give --yes" in asked.err) == (2, True)
    assert [row["kind"] for row in asked.rows] == ["result-missing"]
    done = await ntbridge(*command, "--yes", cwd=bridge.folder, env=env)
    assert done.code == 0, done.err
    await checker.assert_same_results(bridge, COUNT)
