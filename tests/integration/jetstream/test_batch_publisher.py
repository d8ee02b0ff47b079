"""What a stream takes of a publisher: whole batches behind the expected message, or nothing."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from nats.aio.client import Client
from nats.js.api import StreamConfig

from bridge.errors import NotConnected
from bridge.jetstream.batch_publisher import (
    MessageRefusedError,
    OutgoingMessage,
    Overtaken,
    Publisher,
)
from bridge.jetstream.connection import connect_once
from bridge.jetstream.stream_options import allow_batches
from bridge.settings.schema import NatsSettings
from tests.support.proxy import Proxy

COUNT = 40


@pytest.fixture
async def stream(client: Client, prefix: str) -> str:
    name = f"{prefix}-BATCHES"
    await client.jetstream().add_stream(
        StreamConfig(name=name, subjects=[f"{prefix}.b.>"], allow_atomic=True)
    )
    return name


def messages(prefix: str, count: int = COUNT, size: int = 10) -> list[OutgoingMessage]:
    return [
        OutgoingMessage(f"{prefix}.b.{n % 3}", {"Number": str(n)}, b"x" * size)
        for n in range(count)
    ]


async def numbers(client: Client, stream: str) -> list[str]:
    js = client.jetstream()
    state = (await js.stream_info(stream)).state
    found = [await js.get_msg(stream, n) for n in range(1, state.last_seq + 1)]
    return [(each.headers or {}).get("Number", "foreign") for each in found]


def expected(*wanted: Any) -> list[str]:
    return [str(each) for each in wanted]


@pytest.mark.parametrize("atomic", [True, False])
async def test_messages_arrive_in_order_each_once(
    client: Client, stream: str, prefix: str, *, atomic: bool
) -> None:
    publisher = Publisher(client, stream, batch=16)
    publisher.begin(0, atomic=atomic)
    await publisher.publish(messages(prefix))
    assert (publisher.sequence, publisher.published) == (COUNT, COUNT)
    assert await numbers(client, stream) == expected(*range(COUNT))


@pytest.mark.parametrize("atomic", [True, False])
async def test_behind_a_foreign_message_nothing_of_a_batch_is_stored(
    client: Client, stream: str, prefix: str, *, atomic: bool
) -> None:
    publisher = Publisher(client, stream)
    publisher.begin(0, atomic=atomic)
    await client.jetstream().publish(f"{prefix}.b.x", b"")
    with pytest.raises(Overtaken) as overtaken:
        await publisher.publish(messages(prefix))
    assert publisher.published == 0
    assert overtaken.value.sequence == 1
    assert await numbers(client, stream) == ["foreign"]


async def test_a_foreign_message_between_two_batches_leaves_no_hole(
    client: Client, stream: str, prefix: str
) -> None:
    publisher = Publisher(client, stream, batch=COUNT // 2)
    publisher.begin(0, atomic=True)
    await publisher.publish(messages(prefix)[: COUNT // 2])
    await client.jetstream().publish(f"{prefix}.b.x", b"")
    with pytest.raises(Overtaken):
        await publisher.publish(messages(prefix)[COUNT // 2 :])
    assert await numbers(client, stream) == expected(*range(COUNT // 2), "foreign")


async def test_a_member_that_is_too_large_is_found_and_those_before_it_are_stored(
    client: Client, stream: str, prefix: str
) -> None:
    js = client.jetstream()
    config = (await js.stream_info(stream)).config
    await js.update_stream(replace(config, max_msg_size=500))
    sent = messages(prefix)
    sent[25] = replace(sent[25], payload=b"x" * 600)
    publisher = Publisher(client, stream)
    publisher.begin(0, atomic=True)
    with pytest.raises(MessageRefusedError) as refused:
        await publisher.publish(sent)
    assert refused.value.is_size
    assert publisher.published == 25
    await publisher.publish(sent[26:])
    assert await numbers(client, stream) == expected(*range(25), *range(26, COUNT))


async def test_what_would_end_the_connection_is_refused_before_it_is_sent(
    client: Client, stream: str, prefix: str
) -> None:
    sent = messages(prefix, 10)
    # The payload alone fits; headers and payload together do not.
    sent[9] = replace(sent[9], payload=b"x" * (client.max_payload - 10))
    publisher = Publisher(client, stream)
    publisher.begin(0, atomic=True)
    with pytest.raises(MessageRefusedError) as refused:
        await publisher.publish(sent)
    assert refused.value.is_size
    assert await numbers(client, stream) == expected(*range(9))
    assert client.is_connected


async def test_a_repeated_message_id_in_a_batch_is_named(
    client: Client, stream: str, prefix: str
) -> None:
    sent = [
        replace(message, headers={**message.headers, "Nats-Msg-Id": f"id-{number}"})
        for number, message in enumerate(messages(prefix))
    ]
    publisher = Publisher(client, stream)
    publisher.begin(0, atomic=True)
    await publisher.publish(sent[:20])
    with pytest.raises(Overtaken) as overtaken:
        await publisher.publish(sent[10:])
    assert overtaken.value.is_repeat
    assert await numbers(client, stream) == expected(*range(20))


@pytest.mark.parametrize("batches", [True, False])
async def test_without_the_option_messages_go_one_at_a_time(
    client: Client, prefix: str, *, batches: bool
) -> None:
    stream = f"{prefix}-PLAIN"
    await client.jetstream().add_stream(name=stream, subjects=[f"{prefix}.b.>"])
    publisher = Publisher(client, stream)
    # Also when it was switched off since somebody looked.
    publisher.begin(0, atomic=batches)
    await publisher.publish(messages(prefix))
    assert not publisher.atomic
    assert await numbers(client, stream) == expected(*range(COUNT))


async def test_the_option_is_switched_on_where_it_can_be_and_nothing_else_is_changed(
    client: Client, prefix: str
) -> None:
    js = client.jetstream()
    plain, mirror = f"{prefix}-PLAIN", f"{prefix}-MIRROR"
    await js.add_stream(name=plain, subjects=[f"{prefix}.b.>"], max_msgs=77)
    await js.add_stream(name=mirror, mirror={"name": plain})
    before = (await js.stream_info(plain)).config
    assert await allow_batches(client, [plain, mirror, f"{prefix}-MISSING"]) == [plain]
    after = (await js.stream_info(plain)).config
    assert after.allow_atomic
    assert replace(after, allow_atomic=before.allow_atomic, metadata=before.metadata) == before
    assert await allow_batches(client, [plain, mirror]) == []


async def test_a_lost_acknowledgement_says_so_and_the_stream_says_how_far_it_came(
    client: Client, stream: str, prefix: str
) -> None:
    url = client.connected_url
    assert url is not None
    async with Proxy.to(f"{url.hostname}:{url.port}") as proxy:
        away = await connect_once(
            NatsSettings(url=proxy.through(f"nats://{url.hostname}:{url.port}")), "test"
        )
        publisher = Publisher(away, stream)
        publisher.begin(0, atomic=True)
        proxy.cut_response(at=b'"batch":')
        with pytest.raises(NotConnected):
            await publisher.publish(messages(prefix))
        await away.close()
    # It was stored; a second try behind what the first one expected is refused.
    assert await numbers(client, stream) == expected(*range(COUNT))
    publisher = Publisher(client, stream)
    publisher.begin(0, atomic=True)
    with pytest.raises(Overtaken):
        await publisher.publish(messages(prefix))


async def test_of_two_publishers_at_once_each_batch_is_whole(
    client: Client, stream: str, prefix: str
) -> None:
    async def one(name: str) -> None:
        publisher = Publisher(client, stream, batch=10)
        publisher.begin(0, atomic=True)
        left = [
            replace(message, headers={"Number": f"{name}{number}"})
            for number, message in enumerate(messages(prefix))
        ]
        while left:
            try:
                await publisher.publish(left)
            except Overtaken as error:
                left = left[publisher.published :]
                publisher.begin(error.sequence or 0, atomic=True)
            else:
                return

    await asyncio.gather(one("a"), one("b"))
    found = await numbers(client, stream)
    for name in ("a", "b"):
        own = [each for each in found if each.startswith(name)]
        assert own == [f"{name}{number}" for number in range(COUNT)]
