"""The last messages on a subject, however rare or frequent they are in the stream."""

import pytest
from nats.aio.client import Client as Nats
from nats.js.api import StreamConfig

from bridge.devstack.addresses import Addresses
from bridge.jetstream.client import BridgeClient
from bridge.jetstream.connection import connect_once
from bridge.jetstream.last_messages import last_messages
from bridge.settings.schema import NatsSettings
from tests.support.fixtures import client
from tests.support.waiting import eventually

__all__ = ["client"]


@pytest.fixture
async def ours(stack: Addresses) -> BridgeClient:
    return await connect_once(NatsSettings(url=stack.nats_url), "test")


@pytest.mark.slow
async def test_they_are_the_last_ones(client: Nats, ours: BridgeClient, prefix: str) -> None:
    await client.jetstream().add_stream(StreamConfig(name=prefix, subjects=[f"{prefix}.>"]))
    # Many at the beginning, then few among others: a part that is too large has too many.
    plan = [("mine", 1200), ("other", 900), ("mine", 2), ("other", 900), ("mine", 1)]
    sequences = list[int]()
    for name, count in plan:
        for _ in range(count):
            await client.publish(f"{prefix}.{name}", b"")
        if name == "mine":
            begin = sum(many for _, many in plan[: plan.index((name, count))]) + 1
            sequences += range(begin, begin + count)
    total = sum(count for _, count in plan)

    async def stored() -> bool:
        return (await client.jetstream().stream_info(prefix)).state.last_seq == total

    await eventually(stored, within=60)
    try:
        for count in (1, 3, 20, 700):
            found = await last_messages(ours, prefix, f"{prefix}.mine", count, "$JS.API")
            assert [each.sequence for each in found] == sequences[-count:]
        found = await last_messages(ours, prefix, f"{prefix}.none", 5, "$JS.API")
        assert found == []
        found = await last_messages(ours, prefix, None, 5, "$JS.API")
        assert [each.sequence for each in found] == [*range(total - 4, total + 1)]
    finally:
        await ours.close()
        await client.jetstream().delete_stream(prefix)
