"""The relay killed, frozen and cut off: NATS holds exactly what was emitted, in position order."""

import asyncio
import random
from collections.abc import Iterable
from contextlib import AsyncExitStack
from dataclasses import replace

import nats
import pytest

from bridge.lifecycle.crash_points import POINTS
from eventstore.database import Database
from eventstore.store import EventStore
from tests.support import checker
from tests.support.cells import Cells
from tests.support.daemon import Bridge
from tests.support.load import seeded
from tests.support.outages import at
from tests.support.proxy import Proxy
from tests.support.relayed import RelayCell, append
from tests.support.relays import passed, relaying

pytestmark = [pytest.mark.slow]

AT_A_TIME = 3
SAMPLE = [("relay.staged", True), ("relay.acknowledged", False)]
MATRIX = [
    (point, frozen)
    for point in POINTS
    if point.startswith("relay.")
    for frozen in (False, True)
]


async def run_cells(cells: Cells, plan: Iterable[tuple[str, bool]]) -> None:
    turns = asyncio.Semaphore(AT_A_TIME)

    async def one(point: str, *, frozen: bool) -> None:
        async with turns, cells.bridge() as bridge:
            try:
                await RelayCell(bridge, f"{point}:3", frozen).run()
            except BaseException as error:
                error.add_note(f"at {point}, {'frozen' if frozen else 'killed'}")
                raise

    async with asyncio.TaskGroup() as group:
        for point, frozen in plan:
            group.create_task(one(point, frozen=frozen))


async def test_a_leader_that_is_killed_and_one_that_is_frozen(cells: Cells) -> None:
    await run_cells(cells, SAMPLE)


@pytest.mark.torture
@pytest.mark.timeout(2700)
async def test_killed_and_frozen_at_every_point_of_the_relay(cells: Cells) -> None:
    await run_cells(cells, MATRIX)


async def cut_again_and_again(bridge: Bridge, cuts: int, dice: random.Random) -> None:
    """Cut single publishes, or their acknowledgements, on the way; then go on."""
    async with AsyncExitStack() as open_:
        proxy = await open_.enter_async_context(Proxy.to(bridge.addresses.nats_url))
        away = at(bridge, nats_url=proxy.through(bridge.addresses.nats_url))
        database = await Database.connect(bridge.database_url)
        open_.push_async_callback(database.close)
        store = EventStore(database)
        relay, _ = await open_.enter_async_context(relaying(away, database, store))
        for number in range(cuts):
            # The message of one position does not get through, or an acknowledgement does not: one
            # for a batch names its last message only, so it is cut whatever its number.
            head = await store.head()
            position = head + dice.randint(1, 8)
            wire = (
                proxy.cut_request(at=f"Ntbridge-Position: {position}\r\n".encode())
                if dice.random() < 0.5
                else proxy.cut_response(at=b'"seq":')
            )
            await append(bridge, writers=8, each=3, prefix=f"round-{number}")
            await asyncio.wait_for(wire.tripped.wait(), 20)
            await passed(relay, await store.head())
    await checker.assert_same_results(bridge, cuts * 24)


async def test_publishes_that_are_cut_one_at_a_time(bridge: Bridge) -> None:
    await cut_again_and_again(bridge, 4, seeded())


@pytest.mark.torture
@pytest.mark.timeout(1800)
async def test_very_many_publishes_that_are_cut(bridge: Bridge) -> None:
    await cut_again_and_again(bridge, 100, seeded())


async def test_an_outage_that_is_longer_than_the_duplicate_window(bridge: Bridge) -> None:
    client = await nats.connect(bridge.addresses.nats_url)
    js = client.jetstream()
    stream = f"{bridge.prefix}-RESULTS"
    config = (await js.stream_info(stream)).config
    await js.update_stream(replace(config, duplicate_window=0.1))
    await client.close()
    async with AsyncExitStack() as open_:
        proxy = await open_.enter_async_context(Proxy.to(bridge.addresses.nats_url))
        away = at(bridge, nats_url=proxy.through(bridge.addresses.nats_url))
        database = await Database.connect(bridge.database_url)
        open_.push_async_callback(database.close)
        store = EventStore(database)
        relay, _ = await open_.enter_async_context(relaying(away, database, store))
        # NATS has them, and the relay never hears of it.
        wire = proxy.cut_response(at=b'"seq":')
        await append(bridge, writers=4, each=3)
        await asyncio.wait_for(wire.tripped.wait(), 20)
        await proxy.refuse()
        await outlast_the_window()
        await append(bridge, writers=4, each=3, prefix="later")
        await proxy.accept()
        await passed(relay, await store.head())
    await checker.assert_same_results(bridge, 24)


async def outlast_the_window() -> None:
    """The length of an outage is what is tested."""
    await asyncio.sleep(1)
