"""The daemon killed on the way back from Temporal: each result event once all the same."""

import asyncio
import signal
from dataclasses import replace

import pytest
from nats.aio.client import Client as NatsClient

from bridge.lifecycle.crash_points import VARIABLE
from tests.support import checker
from tests.support.daemon import Bridge, running
from tests.support.load import Load

pytestmark = pytest.mark.slow


async def test_killed_between_append_and_answer_an_emit_is_stored_once_and_ends_are_told(
    bridge: Bridge, client: NatsClient
) -> None:
    bridge = replace(bridge, closures=True)
    load = Load(bridge, 5, steps=1)
    doomed = bridge.daemon("doomed", **{VARIABLE: "emit.appended:3"})
    async with running(bridge.light_worker(), doomed):
        await load.publish(client)
        assert await asyncio.wait_for(doomed.exited(), 60) == -signal.SIGKILL
        async with running(bridge.daemon("successor")):
            await checker.results_arrived(bridge, load.results + 5)
            published = await checker.assert_same_results(bridge, load.results + 5)
            await checker.assert_one_run_each(bridge, bridge.light_route, load.uids)
    assert sum(each.topic == "results.workflow.completed" for each in published) == 5


@pytest.mark.torture
@pytest.mark.parametrize("point", ["closures.before-commit", "closures.announced"])
async def test_killed_while_it_tells_ends_each_is_told_once(
    bridge: Bridge, client: NatsClient, point: str
) -> None:
    bridge = replace(bridge, closures=True)
    load = Load(bridge, 5)
    doomed = bridge.daemon("doomed", **{VARIABLE: point})
    async with running(bridge.light_worker(), doomed):
        await load.publish(client)
        assert await asyncio.wait_for(doomed.exited(), 60) == -signal.SIGKILL
        async with running(bridge.daemon("successor")):
            await checker.results_arrived(bridge, 10)
            published = await checker.assert_same_results(bridge, 10)
    ends = [each.event["correlationid"] for each in published if "workflow" in each.topic]
    assert sorted(ends) == sorted(event["id"] for event in load.events)
