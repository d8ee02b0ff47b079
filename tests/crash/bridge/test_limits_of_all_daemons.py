"""Limits over all daemons: daemons that start, are killed and frozen never exceed them together."""

import asyncio
import os
import signal
from bisect import bisect_left
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yaml
from nats.aio.client import Client

from bridge.devstack.child import Child
from tests.support import checker, publishing
from tests.support.daemon import LIGHT, Bridge, running
from tests.support.stand_in_temporal import Arrivals, begin
from tests.support.waiting import eventually

pytestmark = pytest.mark.torture

PER, TRANSPORT = 5.0, 0.5
"""Seconds. A call may take the second of these longer to arrive than another one."""
EVENTS = 1_500
"""Enough for 150 s: a second daemon may get its part only after 40."""


@asynccontextmanager
async def limited(
    bridge: Bridge, arrivals: Arrivals, daemons: int, limits: Mapping[str, Any]
) -> AsyncIterator[list[Child]]:
    """Run daemons with one limited route, on a Temporal that counts."""
    start = {"workflow": "LightWorkflow", "task_queue": bridge.task_queue}
    route = {"name": "limited", "from": "events.light.requested", **limits, "start": start}
    bridge.routes_file.write_text(yaml.safe_dump({"routes": [route]}))
    server, address = await begin(arrivals)
    names = ("one", "two", "three")[:daemons]
    children = [bridge.daemon(name, TEMPORAL_ADDRESS=address) for name in names]
    try:
        async with running(*children):
            yield children
    finally:
        await server.stop(None)


async def publish(client: Client, bridge: Bridge, count: int) -> None:
    await asyncio.gather(
        *(
            publishing.structured(client, bridge, publishing.event(LIGHT, {"number": number}))
            for number in range(count)
        )
    )


async def arrived(arrivals: Arrivals, count: int) -> None:
    await eventually(
        lambda: len(arrivals.times) >= count, within=240, what=f"{count} calls, and not fewer"
    )


async def holders(bridge: Bridge, daemons: int, kind: str) -> None:
    """Wait until so many daemons have a part."""

    async def divided() -> bool:
        rows = await checker.rows(
            bridge,
            "select distinct owner from leases where name ~ $1 and owner is not null"
            " and expires_at > clock_timestamp()",
            f"^limit/limited/{kind}/[0-9]+$",
        )
        return len(rows) == daemons

    await eventually(divided, within=120, what=f"parts of {daemons} daemons")


def most_in_a_period(times: list[float]) -> int:
    """The most calls that began within a period, as far as their arrival can tell."""
    times = sorted(times)
    return max(bisect_left(times, time + PER - TRANSPORT) - at for at, time in enumerate(times))


def rate_reached(times: list[float]) -> float:
    return (len(times) - 1) / (times[-1] - times[0])


@pytest.mark.parametrize("daemons", [2, 3])
async def test_a_rate_is_reached_and_never_exceeded(
    bridge: Bridge, client: Client, daemons: int
) -> None:
    limit, arrivals = 50, Arrivals()
    async with limited(
        bridge, arrivals, daemons, {"rate": {"limit": limit, "per": PER}}
    ) as children:
        await publish(client, bridge, EVENTS)
        await holders(bridge, daemons, "rate")
        # Parts pass from one to another at the beginning; what is reached is measured afterwards.
        before = len(arrivals.times)
        await arrived(arrivals, before + 150)
        assert rate_reached(arrivals.times[before:]) >= 0.8 * limit / PER
        await children[0].kill()
        await holders(bridge, daemons - 1, "rate")
        before = len(arrivals.times)
        await arrived(arrivals, before + 100)
        assert rate_reached(arrivals.times[before:]) >= 0.8 * limit / PER
        assert most_in_a_period(arrivals.times) <= limit


async def test_a_frozen_daemon_makes_no_more_calls_than_its_part_when_it_thaws(
    bridge: Bridge, client: Client
) -> None:
    limit, arrivals = 50, Arrivals()
    async with limited(bridge, arrivals, 2, {"rate": {"limit": limit, "per": PER}}) as children:
        await publish(client, bridge, EVENTS)
        await holders(bridge, 2, "rate")
        await arrived(arrivals, len(arrivals.times) + 50)
        os.kill(children[0].pid, signal.SIGSTOP)
        try:
            await holders(bridge, 1, "rate")
            await arrived(arrivals, len(arrivals.times) + 50)
        finally:
            os.kill(children[0].pid, signal.SIGCONT)
        await holders(bridge, 2, "rate")
        await arrived(arrivals, len(arrivals.times) + 100)
        assert most_in_a_period(arrivals.times) <= limit


@pytest.mark.parametrize(("limit", "daemons"), [(4, 2), (4, 3), (1, 2)])
async def test_no_more_calls_are_in_flight_than_the_limit(
    bridge: Bridge, client: Client, limit: int, daemons: int
) -> None:
    arrivals, events = Arrivals(seconds=0.05), 120 + 120 * limit
    async with limited(bridge, arrivals, daemons, {"max_in_flight": limit}) as children:
        await publish(client, bridge, events)
        await holders(bridge, min(limit, daemons), "calls")
        await arrived(arrivals, events // 3)
        os.kill(children[0].pid, signal.SIGSTOP)
        try:
            await arrived(arrivals, events // 2)
        finally:
            os.kill(children[0].pid, signal.SIGCONT)
        await children[1].kill()
        await arrived(arrivals, events)
        assert arrivals.most_at_once == limit


async def test_each_key_has_a_rate_of_its_own(bridge: Bridge, client: Client) -> None:
    limit, arrivals = 5, Arrivals()
    rate = {"limit": limit, "per": PER, "key": "string(data.number % 8)"}
    async with limited(bridge, arrivals, 2, {"rate": rate}) as children:
        await publish(client, bridge, 400)
        await arrived(arrivals, 60)
        await children[0].kill()
        before = len(arrivals.times)
        await arrived(arrivals, before + 60)
        assert most_in_a_period(arrivals.times) <= 8 * limit
