"""Dispatches of several namespaces: each by its own dispatcher, whatever the routes say meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bridge.dispatch.dispatcher import Dispatcher
from bridge.dispatch.ledger import Ledger
from bridge.dispatch.ownership import Ownership
from bridge.dispatch.throttle import Throttle
from bridge.routes.table import RouteTable
from bridge.settings.schema import DispatchSettings
from eventstore.database import Database
from eventstore.store import EventStore
from tests.support.daemon_parts import Parts, ScriptedTemporal, route
from tests.support.waiting import eventually

BILLING = route("to-billing", namespace="billing")


@pytest.fixture
def parts(database: Database) -> Parts:
    """Parts of a daemon with a route to each of two namespaces."""
    return Parts(database, ScriptedTemporal(), RouteTable([route("to-default"), BILLING]))


@asynccontextmanager
async def dispatching(parts: Parts, **temporal: Any) -> AsyncIterator[None]:
    """Run a dispatcher for each namespace, on shared partitions."""
    ownership = Ownership(parts.database, "daemon")
    store = EventStore(parts.database)
    services: list[Ownership | Dispatcher] = [
        ownership,
        *(
            Dispatcher(
                Ledger(parts.database, store, "daemon", namespace=name.removeprefix("default")),
                ownership,
                each,
                DispatchSettings(),
                Throttle(parts.routes.by_name.get),
            )
            for name, each in temporal.items()
        ),
    ]
    try:
        for service in services:
            await service.start()
        yield
    finally:
        for service in reversed(services):
            await service.stop()
        await store.aclose()


async def test_a_lane_that_is_held_holds_only_its_namespace(parts: Parts) -> None:
    default, billing = ScriptedTemporal(), ScriptedTemporal()
    billing.held["a"] = asyncio.Event()
    await parts.plan(("a", 1), ("a", 2), ("b", 3))
    async with dispatching(parts, default=default, billing=billing):
        await eventually(lambda: default.numbers("a") == [1, 2] and default.numbers("b") == [3])
        await eventually(lambda: billing.numbers("b") == [3])
        assert billing.numbers("a") == []
        billing.held["a"].set()
        await eventually(lambda: billing.numbers("a") == [1, 2])
    assert {each.route for each in default.effects} == {"to-default"}
    assert {each.route for each in billing.effects} == {"to-billing"}


async def test_a_dispatch_goes_where_its_plan_says_after_its_route_was_changed(
    parts: Parts,
) -> None:
    await parts.plan(("a", 1))
    parts.routes = RouteTable([route("to-default", namespace="billing"), route("to-billing")])
    default, billing = ScriptedTemporal(), ScriptedTemporal()
    async with dispatching(parts, default=default, billing=billing):
        await eventually(lambda: default.effects and billing.effects)
    assert [each.route for each in default.effects] == ["to-default"]
    assert [each.route for each in billing.effects] == ["to-billing"]


async def test_a_namespace_without_a_dispatcher_keeps_its_dispatches(parts: Parts) -> None:
    default = ScriptedTemporal()
    await parts.plan(("a", 1))
    async with dispatching(parts, default=default):
        await eventually(lambda: default.numbers("a") == [1])
    states = {row["namespace"]: row["state"] for row in await parts.rows()}
    assert states == {"": "done", "billing": "open"}
