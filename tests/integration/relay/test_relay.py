"""The relay, interrupted again and again, and stopped by its stream."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from nats.aio.client import Client
from structlog.testing import capture_logs

from bridge.lifecycle.lease_names import RELAY_CHECKPOINT
from bridge.relay.chain import POSITION_HEADER
from bridge.relay.relay import PAGE
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


async def test_events_do_not_wait_until_the_checkpoint_is_saved(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    emitted = [await emit(store, 0)]
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, emitted[0].position)
        checkpoints = Checkpoints(database)
        await eventually(lambda: checkpoints.load(RELAY_CHECKPOINT))
        async with database.transaction() as holding:
            await holding.execute("select from checkpoints for update")
            for number in range(1, 4):
                emitted.append(await emit(store, number))
                await passed(relay, emitted[-1].position, within=8)
            assert await checkpoints.load(RELAY_CHECKPOINT) == emitted[0].position
    assert await relayed(client, bridge) == [each.position for each in emitted]
    assert await checkpoints.load(RELAY_CHECKPOINT) == emitted[-1].position


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
    assert said(log, "relay.recovered")
    (stopped,) = [each for each in log if each["event"] == "relay.stopped"]
    assert stopped["log_level"] == "error"
    assert "maximum messages exceeded" in stopped["error"]


async def test_a_limit_that_was_raised_is_read_before_an_event_is_set_aside(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    js, stream = client.jetstream(), f"{bridge.prefix}-RESULTS"
    config = (await js.stream_info(stream)).config
    await js.update_stream(replace(config, max_msg_size=3000))
    async with relaying(bridge, database, store) as (relay, _):
        refused = await emit(store, 0, size=5000)
        await passed(relay, refused.position)
        await js.update_stream(replace(config, max_msg_size=-1))
        taken = await emit(store, 1, size=5000)
        await passed(relay, taken.position)
        await js.update_stream(replace(config, max_msg_size=3000))
        # A limit that was lowered is known by the refusal alone.
        again = await emit(store, 2, size=5000)
        small = await emit(store, 3)
        await passed(relay, small.position)
    assert await relayed(client, bridge) == [taken.position, small.position]
    rows = await database.fetch(
        "select uid from dead_letters where stage = 'relay' order by id"
    )
    assert [row["uid"] for row in rows] == [refused.uid, again.uid]


async def test_why_nothing_is_published_is_known_until_something_is(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    js, stream = client.jetstream(), f"{bridge.prefix}-RESULTS"
    config = (await js.stream_info(stream)).config
    await js.update_stream(replace(config, max_msgs=1))
    async with relaying(bridge, database, store) as (relay, _):
        first = await emit(store, 0)
        await passed(relay, first.position)
        problems = [relay.problem]
        second = await emit(store, 1)
        await eventually(lambda: "maximum messages exceeded" in str(relay.problem))
        await js.update_stream(config)
        await passed(relay, second.position)
        problems.append(relay.problem)
    assert problems == [None, None]
    assert await relayed(client, bridge) == [first.position, second.position]


async def test_results_that_were_removed_from_the_end_are_not_sent_again(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    js, stream = client.jetstream(), f"{bridge.prefix}-RESULTS"
    emitted = [await emit(store, number) for number in range(4)]
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, emitted[-1].position)
    await js.delete_msg(stream, 4)
    async with relaying(bridge, database, store) as (relay, _):
        emitted.append(await emit(store, 4))
        await passed(relay, emitted[-1].position)
    last = (await js.stream_info(stream)).state
    assert (last.last_seq, last.messages) == (5, 4)


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
    # It is saved beside the publishing, and at the latest when the relay stops.
    assert await Checkpoints(database).load(RELAY_CHECKPOINT) == PAGE
    state = (await client.jetstream().stream_info(f"{bridge.prefix}-RESULTS")).state
    assert state.messages == PAGE
