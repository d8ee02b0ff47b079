"""The relay, interrupted again and again, and stopped by its stream."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from nats.aio.client import Client
from structlog.testing import capture_logs

from bridge.outbound.chain import CHECKPOINT, POSITION_HEADER
from bridge.outbound.relay import PAGE
from eventstore.database import Database
from eventstore.events import Event, NewEvent
from eventstore.store import EventStore
from eventstore.subscription import Checkpoints
from tests.integration.dead_letters.builders import emit
from tests.support.daemon import Bridge
from tests.support.relays import passed, relaying
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

INTERRUPTIONS = 4


async def test_interrupted_it_goes_on_and_leaves_no_subscription_behind(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    emitted = [await emit(store, 0)]
    async with relaying(bridge, database, store) as (relay, connection):
        await passed(relay, emitted[0].position)
        own = await connection.client()
        subscriptions = len(own._subs)  # noqa: SLF001 - the server does not count them for one
        for number in range(1, INTERRUPTIONS + 1):
            # Somebody else's message takes the place of the next one: it is refused once.
            await client.jetstream().publish(f"{bridge.prefix}.results.a.b", b"not the relay's")
            emitted.append(await emit(store, number))
            await passed(relay, emitted[-1].position)
        assert len(own._subs) == subscriptions  # noqa: SLF001
    assert await relayed(client, bridge) == [each.position for each in emitted]


async def relayed(client: Client, bridge: Bridge) -> list[int]:
    """The positions of the relay's own messages, in the order of the stream."""
    js, stream = client.jetstream(), f"{bridge.prefix}-RESULTS"
    last = (await js.stream_info(stream)).state.last_seq
    headers = [(await js.get_msg(stream, each)).headers or {} for each in range(1, last + 1)]
    return [int(each[POSITION_HEADER]) for each in headers if POSITION_HEADER in each]


async def test_a_full_stream_stops_the_relay_alone_and_says_so_and_it_goes_on(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    js, stream = client.jetstream(), f"{bridge.prefix}-RESULTS"
    config = (await js.stream_info(stream)).config
    emitted = [await emit(store, number) for number in range(3)]
    with capture_logs() as log:
        async with relaying(bridge, database, store) as (relay, _):
            await passed(relay, emitted[-1].position)
            await js.update_stream(replace(config, max_msgs=3))
            emitted += [await emit(store, number) for number in range(3, 8)]
            await eventually(lambda: said(log, "relay.stopped"))
            # The store takes what comes meanwhile.
            emitted.append(await emit(store, 8))
            await js.update_stream(config)
            await passed(relay, emitted[-1].position)
    assert await relayed(client, bridge) == [each.position for each in emitted]
    assert [each["event"] for each in log].count("relay.stopped") == 1
    assert said(log, "relay.goes_on")
    (stopped,) = [each for each in log if each["event"] == "relay.stopped"]
    assert stopped["log_level"] == "error"
    assert "maximum messages exceeded" in stopped["error"]


async def test_a_stream_that_is_gone_is_waited_for(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    js, stream = client.jetstream(), f"{bridge.prefix}-RESULTS"
    config = (await js.stream_info(stream)).config
    first = await emit(store, 0)
    with capture_logs() as log:
        async with relaying(bridge, database, store) as (relay, _):
            await passed(relay, first.position)
            await js.delete_stream(stream)
            emitted = [await emit(store, number) for number in range(1, 4)]
            await eventually(lambda: said(log, "relay.stopped"))
            await js.add_stream(config)
            await passed(relay, emitted[-1].position)
    # What was on the lost stream is for `ntbridge verify --rebuild` to bring back.
    assert await relayed(client, bridge) == [each.position for each in emitted]


def said(log: Sequence[Mapping[str, Any]], event: str) -> bool:
    return any(each["event"] == event for each in log)


async def test_a_backlog_that_fills_its_pages_exactly_is_waited_for_to_the_end(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    for start in range(0, PAGE, 500):
        events = [
            NewEvent(
                event=Event(id=f"{start + number}", source="/tests", type="io.example.a.b.v1"),
                topic="results.a.b",
            )
            for number in range(500)
        ]
        await store.append(f"run-{start}", events)
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, PAGE, within=30)
        assert await Checkpoints(database).load(CHECKPOINT) == PAGE
    state = (await client.jetstream().stream_info(f"{bridge.prefix}-RESULTS")).state
    assert state.messages == PAGE
