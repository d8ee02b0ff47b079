"""A result event the relay had to set aside is published late, and the relay goes on after it."""

from dataclasses import replace

import pytest
from nats.aio.client import Client

from bridge.dead_letters.store import DeadLetters, LetterFilter
from bridge.evaluation import Evaluator
from bridge.history.redrive import Redriver
from bridge.relay.late import LateRelay
from bridge.routes.table import RouteTable
from eventstore.database import Database
from eventstore.store import EventStore
from tests.integration.dead_letters.builders import emit
from tests.support import checker
from tests.support.daemon import Bridge
from tests.support.relays import passed, relaying


async def test_what_was_set_aside_follows_late_and_once(
    bridge: Bridge,
    client: Client,
    database: Database,
    store: EventStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = await emit(store, 1)
    large = await emit(store, 2, size=2000)
    third = await emit(store, 3)
    letters = DeadLetters(database)
    settings = bridge.settings
    async with (
        relaying(bridge, database, store) as (relay, _),
        LateRelay(database, store, settings.nats) as late,
    ):
        redriver = Redriver(
            database, store, RouteTable([]), Evaluator(), max_hops=16, late=late, who="tester"
        )
        with monkeypatch.context() as patch:
            # As if the server took no more than 1,500 bytes.
            patch.setattr(
                "bridge.jetstream.publishing.HEADER_ALLOWANCE", client.max_payload - 1500
            )
            await passed(relay, third.position)
            [letter] = await letters.find(LetterFilter(stage="relay"), 10)
            refused = await redriver.redrive(letter.id)
        assert refused.outcome == "left-open"
        assert "the server takes" in refused.detail

        result = await redriver.redrive(letter.id)
        assert result.outcome == "redriven", result.detail
        # The relay is refused once, looks where the chain stands, and goes on.
        fourth = await emit(store, 4)
        await passed(relay, fourth.position)
    published = await checker.published_results(bridge)
    expected = [first, third, large, fourth]
    assert [each.event["id"] for each in published] == [each.event.id for each in expected]
    assert [each.position for each in published] == [
        first.position,
        third.position,
        third.position,
        fourth.position,
    ]


async def test_what_the_relay_has_not_come_to_is_left_to_it(
    bridge: Bridge, database: Database, store: EventStore
) -> None:
    stored = await emit(store, 1)
    await database.execute(
        "insert into dead_letters (stage, code, reason, uid) "
        "values ('relay', 'unpublishable', 'too large', $1)",
        stored.uid,
    )
    settings = bridge.settings
    async with LateRelay(database, store, settings.nats) as late:
        redriver = Redriver(
            database, store, RouteTable([]), Evaluator(), max_hops=16, late=late, who="tester"
        )
        result = await redriver.redrive(1)
    assert result.outcome == "left-open"
    assert "publish this event itself" in result.detail
    assert await checker.published_results(bridge) == []


async def test_a_redrive_whose_acknowledgement_was_lost_is_not_sent_again(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    js, stream = client.jetstream(), f"{bridge.prefix}-RESULTS"
    config = (await js.stream_info(stream)).config
    await js.update_stream(replace(config, max_msg_size=3000, duplicate_window=0.1))
    large = await emit(store, 1, size=5000)
    settings = bridge.settings
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, large.position)
    await js.update_stream(replace(config, max_msg_size=-1, duplicate_window=0.1))
    for _ in range(2):
        # Each is a command of its own, which knows of no earlier one.
        async with LateRelay(database, store, settings.nats) as late:
            assert f"{stream} sequence 1" in await late.publish(large)
    assert (await js.stream_info(stream)).state.last_seq == 1
