"""The consumer on a real server: in stream order, from where the record ends, whatever happens."""

import asyncio
from datetime import datetime

import pytest
from nats.js.api import ConsumerConfig, ConsumerInfo
from structlog.testing import CapturingLogger
from typing_extensions import override

from bridge.errors import NotConnected, SourceMissing
from bridge.intake.placement import LastRecorded
from bridge.jetstream.connection import NatsConnection
from bridge.settings.schema import NatsSettings, SourceSettings
from eventstore.errors import Deposed
from tests.support import sources
from tests.support.proxy import Proxy
from tests.support.sources import Reader, Record, Stream, Term
from tests.support.waiting import eventually


async def test_events_come_in_the_order_of_the_stream(reader: Reader, stream: Stream) -> None:
    await stream.publish(*range(25))
    await reader.reads(25)
    await stream.publish(*range(25, 30))
    await reader.reads(30)
    assert [number for _, _, number in reader.record.taken] == list(range(30))


async def test_a_lost_connection_is_gone_on_after_without_a_gap_or_another_order(
    settings: NatsSettings, stream: Stream
) -> None:
    async with Proxy.to(settings.url) as proxy:
        through = settings.model_copy(update={"url": proxy.through(settings.url)})
        async with sources.connected(through) as connection:
            reader = Reader(connection, stream, Record())
            await stream.publish(*range(50))
            await reader.reads(15)
            # Of this batch nothing is recorded: it is lost with the connection.
            assert await reader.fetch()
            client = await connection.client()
            proxy.cut()
            await eventually(lambda: client.stats["reconnects"] == 1)
            await stream.publish(*range(50, 60))
            await reader.reads(60)
    assert reader.record.numbers == list(range(60))


async def test_what_a_killed_leader_held_comes_before_what_is_newer(
    connection: NatsConnection, stream: Stream
) -> None:
    record = Record()
    dead, successor = Reader(connection, stream, record), Reader(connection, stream, record)
    await stream.publish(*range(20))
    await dead.reads(10)
    # It has fetched the rest, and dies with them: no ack wait stands between them and the next.
    held = await dead.fetch()
    assert held
    await stream.publish(*range(20, 30))
    await asyncio.wait_for(successor.reads(30, epoch=2), 60)
    assert [number for _, _, number in record.taken] == list(range(30))


class Over(Term):
    """A term of a leader that has a successor."""

    @override
    async def renew(self) -> None:
        raise Deposed("another leads")


async def test_what_a_deposed_leader_pulls_away_is_read_by_its_successor_in_order(
    connection: NatsConnection, stream: Stream
) -> None:
    record = Record()
    deposed, leader = Reader(connection, stream, record), Reader(connection, stream, record)
    await stream.publish(*range(5))
    await deposed.reads(5)
    # Its pull is open when its successor attaches, and it asks again before it knows.
    await deposed.fetch()
    await leader.fetch(epoch=2)
    await stream.publish(*range(5, 30))
    taken = await deposed.fetch()
    assert taken, "the deposed leader got a part"
    await leader.reads(30, epoch=2)
    assert [number for _, _, number in record.taken] == list(range(30))


async def test_a_deposed_leader_does_not_reset_the_consumer(
    connection: NatsConnection, stream: Stream
) -> None:
    deposed = Reader(connection, stream, Record())
    await stream.publish(*range(5))
    await deposed.reads(5)
    deposed.consumer._doubtful = True  # noqa: SLF001 - as after a silence
    before = await stream.client.jetstream().consumer_info(stream.name, "ntbridge")
    with pytest.raises(Deposed):
        await deposed.consumer.next(10, 0.5, Over(1))
    after = await stream.client.jetstream().consumer_info(stream.name, "ntbridge")
    assert after.delivered == before.delivered


@pytest.mark.slow
async def test_only_the_consumers_that_earlier_versions_created_are_deleted(
    connection: NatsConnection, stream: Stream
) -> None:
    js = stream.client.jetstream()
    others = [f"other-{number}" for number in range(300)]
    for name in ("ntbridge-1", "ntbridge-2", "ntbridge-9", "ntbridge-monitoring", *others):
        await js.add_consumer(stream.name, ConsumerConfig(durable_name=name))
    await Reader(connection, stream, Record()).fetch(epoch=3)
    left = set(await stream.consumers()) - set(others)
    assert left == {"ntbridge", "ntbridge-9", "ntbridge-monitoring"}


async def test_when_a_request_expires_the_next_one_is_made_at_once(
    reader: Reader, stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.intake.consumer._EXPIRES_SECONDS", 1.1)
    # So that nothing but the server's word ends the wait.
    monkeypatch.setattr("bridge.intake.consumer._LOOK_SECONDS", 3600)
    assert await asyncio.wait_for(reader.fetch(), 20) == []
    await stream.publish(1)
    await asyncio.wait_for(reader.reads(1), 20)


async def test_a_request_that_was_served_leaves_the_consumer_as_it_is(
    reader: Reader, stream: Stream
) -> None:
    async def made() -> datetime | None:
        info: ConsumerInfo = await stream.client.jetstream().consumer_info(
            stream.name, "ntbridge"
        )
        return info.created

    await stream.publish(*range(10))
    await reader.reads(10)
    first = await made()
    await stream.publish(*range(10, 45))
    await reader.reads(45)
    assert reader.record.numbers == list(range(45))
    assert await made() == first is not None


async def test_a_request_that_was_served_to_its_last_byte_leaves_it_too(
    connection: NatsConnection, stream: Stream
) -> None:
    reader = Reader(connection, stream, Record(), max_bytes=2**20)
    await stream.publish(*range(2), filling=200_000)
    await reader.reads(2)
    info = await stream.client.jetstream().consumer_info(stream.name, "ntbridge")
    await stream.publish(*range(2, 20), filling=200_000)
    await asyncio.wait_for(reader.reads(20), 20)
    assert reader.record.numbers == list(range(20))
    again = await stream.client.jetstream().consumer_info(stream.name, "ntbridge")
    assert again.created == info.created


async def test_a_message_larger_than_a_request_may_be_is_taken_alone(
    connection: NatsConnection, stream: Stream
) -> None:
    reader = Reader(connection, stream, Record(), max_bytes=2**20)
    await stream.publish(0)
    await stream.publish(1, 2, filling=2**20 + 1)
    await stream.publish(3)
    await asyncio.wait_for(reader.reads(1), 20)
    info = await stream.client.jetstream().consumer_info(stream.name, "ntbridge")
    await asyncio.wait_for(reader.reads(4), 20)
    assert reader.record.numbers == [0, 1, 2, 3]
    again = await stream.client.jetstream().consumer_info(stream.name, "ntbridge")
    assert again.created == info.created


async def test_a_deleted_consumer_is_made_anew(reader: Reader, stream: Stream) -> None:
    await stream.publish(*range(5))
    await reader.reads(5)
    await stream.client.jetstream().delete_consumer(stream.name, "ntbridge")
    await stream.publish(*range(5, 12))
    await reader.reads(12)
    assert [number for _, _, number in reader.record.taken] == list(range(12))


async def test_a_deleted_stream_is_said_and_waited_for_and_read_from_its_beginning(
    reader: Reader, stream: Stream
) -> None:
    await stream.publish(*range(5))
    await reader.reads(5)
    await stream.delete()

    async def said() -> bool:
        try:
            return bool(await reader.consumer.next(10, 0.2, Term(1)))
        except SourceMissing:
            return True

    await eventually(said, forgive=(NotConnected,))
    await stream.create()
    await stream.publish(*range(100, 110))
    await reader.reads(15)
    assert reader.record.numbers == [*range(5), *range(100, 110)]


@pytest.mark.parametrize(
    "recorded", [LastRecorded(3, arrived_ns=1_700_000_000_000_000_000), LastRecorded(99, None)]
)
async def test_a_stream_that_lost_its_tail_is_read_from_the_beginning(
    connection: NatsConnection,
    stream: Stream,
    recorded: LastRecorded,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    logger = CapturingLogger()
    monkeypatch.setattr("bridge.intake.attachment.log", logger)

    class Elsewhere(Record):
        @override
        async def last_recorded(
            self, _source: SourceSettings, _created: datetime
        ) -> LastRecorded | None:
            return recorded

    reader = Reader(connection, stream, Elsewhere())
    await stream.publish(*range(5))
    await reader.reads(5)
    assert reader.record.numbers == list(range(5))
    assert "intake.stream_went_back" in [call.args[0] for call in logger.calls if call.args]


async def test_it_goes_on_behind_the_record_when_that_message_is_gone(
    connection: NatsConnection, stream: Stream
) -> None:
    record = Record()
    await stream.publish(*range(10))
    await Reader(connection, stream, record).reads(5)
    js = stream.client.jetstream()
    last = await record.last_recorded(SourceSettings(), record.taken[0][0])
    assert last is not None
    await js.delete_msg(stream.name, last.sequence)
    before = len(record.taken)
    await Reader(connection, stream, record).reads(10, epoch=2)
    assert [number for _, _, number in record.taken[before:]] == list(range(before, 10))


async def test_headers_that_look_like_the_servers_own_are_only_headers(
    reader: Reader, stream: Stream
) -> None:
    codes = ["100", "404", "408", "409", "500", "503", "nonsense"]
    for number, code in enumerate(codes * 5):
        await stream.publish(number, headers={"Status": code, "Description": "Idle Heartbeat"})
    await stream.publish(999)
    await asyncio.wait_for(reader.reads(len(codes) * 5 + 1), 20)
    assert reader.record.numbers == [*range(len(codes) * 5), 999]


@pytest.mark.slow
async def test_a_client_that_closed_for_good_is_replaced(
    reader: Reader, connection: NatsConnection, stream: Stream
) -> None:
    await stream.publish(1)
    await reader.reads(1)
    client = await connection.client()
    # The size check of nats-py ignores headers, and the server ends the connection for it.
    too_much = {"Reason": "x" * (client.max_payload + 1)}
    await client.publish("nowhere", b"", headers=too_much)
    await eventually(lambda: client.is_closed)
    await stream.publish(2)
    await reader.reads(2)
    assert await connection.client() is not client


async def test_a_source_may_be_a_part_of_a_stream(
    connection: NatsConnection, stream: Stream
) -> None:
    source = SourceSettings(subject="events.wanted.*", consumer="part")
    reader = Reader(connection, stream, Record(), source)
    for number in range(10):
        wanted = number % 2 == 0
        await stream.publish(number, topic=f"events.{'wanted' if wanted else 'other'}.x")
    await reader.reads(5)
    assert reader.record.numbers == [0, 2, 4, 6, 8]
