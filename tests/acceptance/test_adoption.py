"""Order fulfilment: the example of docs/adoption.md, as it is, on a stream that was there before."""

import json
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import nats
import pytest
from nats.js import JetStreamContext

from bridge.daemon.setup import prepare
from bridge.devstack.addresses import Addresses
from bridge.devstack.child import Child, Command
from bridge.settings.sources import from_environment, load
from tests.support import checker
from tests.support.cli import ntbridge
from tests.support.daemon import Bridge, running
from tests.support.own_nats import nats_server
from tests.support.servers import ROOT
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

EXAMPLE = ROOT / "docs" / "adoption"


class Shop:
    """The publisher that was there before: it knows nothing of the bridge."""

    def __init__(self, js: JetStreamContext) -> None:
        self._js = js

    async def says(self, order: str, status: str) -> None:
        message = {
            "orderId": order,
            "status": status,
            "total": 12.5,
            "at": "2026-03-01T10:00:00Z",
        }
        await self._js.publish(
            f"orders.{status}", json.dumps(message).encode(), headers={"X-Tenant": "acme"}
        )


@pytest.fixture
async def shop(
    stack: Addresses, migrated_database_url: str, tmp_path: Path, prefix: str
) -> AsyncIterator[tuple[Shop, Bridge]]:
    """A stream with two orders of the past, and a bridge without a prefix."""
    async with nats_server() as server:
        client = await nats.connect(server.url)
        js = client.jetstream()
        await js.add_stream(name="ORDERS", subjects=["orders.>"])
        publisher = Shop(js)
        await publisher.says("OLD", "created")
        await publisher.says("OLD", "paid")
        bridge = Bridge(
            addresses=replace(stack, nats_url=server.url),
            database_url=migrated_database_url,
            prefix=prefix,
            task_queue="orders",
            folder=tmp_path,
            closures=True,
        )
        yield publisher, bridge
        await client.close()


async def results(js: JetStreamContext, count: int) -> list[tuple[str, dict[str, Any]]]:
    """The first result events on NATS: subject and event."""

    async def look() -> bool:
        return (await js.stream_info("RESULTS")).state.messages >= count

    await eventually(look, within=60, what=f"{count} results")
    found = [await js.get_msg("RESULTS", number) for number in range(1, count + 1)]
    return [(each.subject or "", json.loads(each.data or b"")) for each in found]


async def test_orders_are_fulfilled_and_no_line_of_their_publisher_changed(
    shop: tuple[Shop, Bridge],
) -> None:
    publisher, bridge = shop
    own = {
        "NTBRIDGE_NATS__PREFIX": "",
        "NTBRIDGE_ROUTES": str(EXAMPLE / "routes.yaml"),
        "NTBRIDGE_EMIT__TASK_QUEUE": f"{bridge.prefix}-events",
    }
    env = {**bridge.environment, **own}
    await prepare(load([from_environment(env)]).settings)
    worker = Child(
        Command(
            name="own-worker",
            argv=[sys.executable, str(EXAMPLE / "worker.py")],
            env=env,
            log=bridge.folder / "own-worker.log",
            start_within=30,
            stop_within=10,
        )
    )
    client = await nats.connect(bridge.addresses.nats_url)
    js = client.jetstream()
    async with running(bridge.daemon(**own), worker):

        async def attached() -> bool:
            return bool(await js.consumers_info("ORDERS"))

        await eventually(attached, within=30)
        # The payment comes first: it waits for its order.
        await publisher.says("A1", "paid")
        await publisher.says("A1", "created")
        await publisher.says("A1", "created")
        await js.publish("orders.created", b"not JSON")
        found = await results(js, 2)
        assert [subject for subject, _ in found] == [
            "results.order.fulfilled",
            "results.workflow.completed",
        ]
        fulfilled, completed = (event for _, event in found)
        assert fulfilled["data"] == {"orderId": "A1", "total": 12.5}
        assert completed["data"]["workflow_id"] == "order/A1"
        assert completed["data"]["result"] == fulfilled["data"]
        assert {event["correlationid"] for _, event in found} == {"A1"}
        explained = await ntbridge(
            "events", "explain", "A1/created", "-o", "json", cwd=bridge.folder, env=env
        )
        assert explained.code == 0, explained.err
        assert "order/A1" in explained.out
        assert "com.acme.order.fulfilled" in explained.out
        order = await ntbridge(
            "events", "explain", "A1", "-o", "ndjson", cwd=bridge.folder, env=env
        )
        assert (order.code, "events with this correlation: 2" in order.err) == (0, True), (
            order.err
        )
        assert [row["event"]["id"] for row in order.rows] == ["A1/paid", "A1/created"]
        stored = await checker.stored_events(bridge)
        received = [each["event"] for each in stored if each["origin"] == "received"]
        assert [each["id"] for each in received] == ["A1/paid", "A1/created"]
        assert received[0]["tenant"] == "acme"
        [letter] = await checker.dead_letters(bridge)
        assert letter["stage"] == "intake"
    assert (await js.stream_info("ORDERS")).state.messages == 6
    await client.close()
