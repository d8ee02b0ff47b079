"""A signal that is sent again to another run of its workflow has one effect all the same."""

import asyncio
import signal

import pytest
import yaml
from temporalio.client import Client

from bridge.lifecycle.crash_points import VARIABLE
from tests.support import effects, targets
from tests.support.daemon import Bridge, running
from tests.support.load_of_signals import Signals
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


async def test_a_signal_redelivered_across_continue_as_new_has_one_effect(
    bridge: Bridge, temporal: Client
) -> None:
    load = Signals(bridge, temporal, lanes=0, each=0)
    await load.set_up()
    target = f"{bridge.prefix}-remembering"
    note = {"signal": "note", "workflow_id": "data.target"}
    route = {"name": load.route, "from": "events.lanes.asked", "signal": note}
    bridge.routes_file.write_text(yaml.safe_dump({"routes": [route]}))
    load.events = [load.event(target, number) for number in range(5)]
    async with targets.worker(temporal, bridge.task_queue):
        handle = await temporal.start_workflow(
            "Remembering", id=target, task_queue=bridge.task_queue
        )
        doomed = bridge.daemon("doomed", **{VARIABLE: "dispatch.after-call:3"})
        async with running(doomed):
            await load.publish()
            assert await asyncio.wait_for(doomed.exited(), 60) == -signal.SIGKILL

        # The third is taken and forgotten by Temporal, and not settled by the bridge.
        async def has_taken(count: int) -> bool:
            taken = await temporal.get_workflow_handle(target).query("taken")
            assert taken == [f"{number:04}" for number in range(count)]
            return True

        await eventually(lambda: has_taken(3))
        async with running(bridge.daemon("successor")):
            await load.settled(5)
            await eventually(lambda: has_taken(5))
        sent = [each.event for each in await effects.signalled(temporal, [target])]
        assert sorted(sent) == ["0000", "0001", "0002", "0002", "0003", "0004"]
        await temporal.get_workflow_handle(handle.id).terminate()
