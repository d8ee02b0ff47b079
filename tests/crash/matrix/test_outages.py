"""Servers that limit, vanish, go silent or forget: once each, in order, and no busy loop meanwhile."""

import asyncio
from collections import Counter
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import yaml
from temporalio.client import Client

from bridge.devstack.addresses import Addresses
from tests.support import checker, effects, pages
from tests.support.daemon import Bridge, running
from tests.support.load_of_signals import Signals
from tests.support.outages import Watched, at, own_nats, own_temporal
from tests.support.proxy import Proxy
from tests.support.waiting import eventually, line

pytestmark = [pytest.mark.slow, pytest.mark.torture]


async def test_a_temporal_that_limits_is_heeded_and_nothing_is_given_up(
    bridge: Bridge, tmp_path: Path
) -> None:
    async with own_temporal(tmp_path / "temporal", "frontend.namespaceRPS=20") as server:
        bridge = at(bridge, temporal_address=server.address)
        load = Signals(bridge, await Client.connect(server.address), lanes=20, each=5)
        await load.set_up()
        await load.publish()
        daemon = bridge.daemon()
        async with running(daemon):
            watched = Watched(load, daemon)
            await watched.begin()
            await load.assert_all_once()
            assert await load.attempts() <= 3 * len(load.events)
            await watched.assert_idle(attempts=False)


async def cut_off(bridge: Bridge, temporal: Client, seconds: float, *, silent: bool) -> None:
    """Have Temporal out of reach in the middle of the load."""
    async with Proxy.to(bridge.addresses.temporal_address) as proxy:
        away = at(bridge, temporal_address=proxy.through(bridge.addresses.temporal_address))
        load = Signals(bridge, temporal, lanes=30, each=6)
        await load.set_up()
        daemon = away.daemon(NTBRIDGE_TEMPORAL__CALL_TIMEOUT="1")
        watched = Watched(load, daemon)
        async with running(daemon):
            half = len(load.events) // 2
            await load.publish(0, half)
            await load.settled(half // 2)
            if silent:
                proxy.stall()
            else:
                await proxy.refuse()
            await load.publish(half)
            await load.recorded(len(load.events))
            await watched.begin()
            await passed(seconds)
            await watched.assert_idle()
            proxy.resume()
            await proxy.accept()
            await load.assert_all_once()


async def passed(seconds: float) -> None:
    """An outage of a certain length is what is tested: the one place where time is waited for."""
    await asyncio.sleep(seconds)


@pytest.mark.parametrize("silent", [False, True], ids=["refused", "silent"])
async def test_a_temporal_out_of_reach_for_a_moment(
    bridge: Bridge, temporal: Client, *, silent: bool
) -> None:
    await cut_off(bridge, temporal, 4, silent=silent)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("silent", [False, True], ids=["refused", "silent"])
async def test_a_temporal_out_of_reach_for_a_minute(
    bridge: Bridge, temporal: Client, *, silent: bool
) -> None:
    await cut_off(bridge, temporal, 60, silent=silent)


async def test_a_temporal_that_is_killed_and_comes_back(bridge: Bridge, tmp_path: Path) -> None:
    async with own_temporal(tmp_path / "temporal") as server:
        bridge = at(bridge, temporal_address=server.address)
        load = Signals(bridge, await Client.connect(server.address))
        await load.set_up()
        daemon = bridge.daemon()
        async with running(daemon):
            publishing = asyncio.create_task(load.publish())
            await load.settled(len(load.events) // 4)
            await server.kill()
            await publishing
            await load.recorded(len(load.events))
            await server.start()
            await load.assert_all_once()


async def test_a_nats_that_is_killed_right_after_an_acknowledgement(
    bridge: Bridge, temporal: Client, tmp_path: Path
) -> None:
    async with own_nats(tmp_path / "nats") as server:
        bridge = at(bridge, nats_url=server.url)
        load = Signals(bridge, temporal)
        await load.set_up()
        daemon = bridge.daemon()
        async with running(daemon):
            for part in range(3):
                size = len(load.events) // 3
                await load.publish(part * size, (part + 1) * size)
                if part == 1:  # else it dies with what it has acknowledged and not delivered
                    await load.recorded((part + 1) * size)
                await server.kill()
                await server.start()
            await load.assert_all_once()
        verdicts = [row["verdict"] for row in await checker.deliveries(bridge)]
        assert verdicts == ["matched"] * len(load.events)


async def test_a_nats_that_freezes_is_noticed_and_gone_on_with(
    bridge: Bridge, temporal: Client, tmp_path: Path
) -> None:
    async with own_nats(tmp_path / "nats") as server:
        bridge = at(bridge, nats_url=server.url)
        load = Signals(bridge, temporal)
        await load.set_up()
        daemon = bridge.daemon()
        async with running(daemon):
            half = len(load.events) // 2
            await load.publish(0, half)
            await load.recorded(half)
            process = psutil.Process(server.pid)
            process.suspend()
            try:
                await line(daemon.command.log, "nats.disconnected", within=120)
            finally:
                process.resume()
            await load.publish(half)
            await load.assert_all_once()


async def black_hole(bridge: Bridge, temporal: Client, seconds: float) -> None:
    """Have Postgres silent in the middle of the load."""
    async with Proxy.to(bridge.database_url) as proxy:
        away = replace(bridge, database_url=proxy.through(bridge.database_url))
        load = Signals(bridge, temporal)
        await load.set_up()
        daemon = away.daemon(NTBRIDGE_DATABASE__DEADLINE="2")
        watched = Watched(load, daemon)
        async with running(daemon):
            publishing = asyncio.create_task(load.publish())
            await load.settled(len(load.events) // 4)
            await watched.begin()
            proxy.stall()
            await passed(seconds)
            await watched.assert_idle(attempts=False)
            proxy.resume()
            await publishing
            await load.assert_all_once()
            assert daemon.running


async def test_a_postgres_that_is_a_black_hole_for_a_moment(
    bridge: Bridge, temporal: Client
) -> None:
    await black_hole(bridge, temporal, 6)


@pytest.mark.timeout(900)
async def test_a_postgres_that_is_a_black_hole_for_a_minute(
    bridge: Bridge, temporal: Client
) -> None:
    await black_hole(bridge, temporal, 60)


async def test_too_much_that_is_open_holds_intake_back_and_says_so(
    bridge: Bridge, temporal: Client, stack: Addresses
) -> None:
    async with Proxy.to(stack.temporal_address) as proxy:
        away = at(bridge, temporal_address=proxy.through(stack.temporal_address))
        load = Signals(bridge, temporal)
        await load.set_up()
        daemon = away.daemon(
            NTBRIDGE_INTAKE__MAX_OPEN_DISPATCHES="10", NTBRIDGE_INTAKE__BATCH="5"
        )
        async with running(daemon):
            await proxy.refuse()
            await load.publish()
            await line(daemon.command.log, "intake.held_back")
            page = await pages.url_of(daemon.command.log)

            async def told() -> bool:
                assert "intake waits because" in (await pages.get(page, "/readyz")).body
                return True

            await eventually(told, within=120)
            ((recorded,),) = await checker.rows(bridge, "select count(*) from events")
            assert 10 <= recorded <= 20
            await proxy.accept()
            await line(daemon.command.log, "intake.resumed", within=120)
            await load.assert_all_once()


async def test_two_routes_signal_one_workflow_and_a_third_finds_its_id_taken(
    bridge: Bridge, temporal: Client
) -> None:
    load = Signals(bridge, temporal, lanes=1, each=2)
    await load.set_up()
    note = {"signal": "note", "workflow_id": "data.target"}
    start = {"workflow": "Target", "task_queue": bridge.task_queue, "id": "data.target"}
    operations = {
        "left": {"signal": note},
        "right": {"signal": note},
        "taken": {"start": start},
    }
    routes = [
        {"name": f"{bridge.prefix}-{name}", "from": "events.lanes.asked", **operation}
        for name, operation in operations.items()
    ]
    bridge.routes_file.write_text(yaml.safe_dump({"routes": routes}))
    async with running(bridge.daemon()):
        await load.publish()

        async def settled() -> bool:
            rows = await checker.dispatches(bridge)
            found = Counter((row["route"].rpartition("-")[2], row["state"]) for row in rows)
            assert found == {
                ("left", "done"): 2,
                ("right", "done"): 2,
                ("taken", "collision"): 2,
            }
            assert all(row["error"] for row in rows if row["state"] == "collision")
            return True

        await eventually(settled, within=120)
    signals = await effects.signalled(temporal, load.targets)
    assert Counter((each.event, each.route.rpartition("-")[2]) for each in signals) == {
        (number, side): 1 for number in ("0000", "0001") for side in ("left", "right")
    }
