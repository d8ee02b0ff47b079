"""Messages that are only counted, and a daemon that is killed meanwhile: each is counted once."""

import asyncio
import json
import signal

import pytest
import yaml
from nats.aio.client import Client

from bridge.lifecycle.crash_points import VARIABLE
from tests.support import checker
from tests.support.daemon import Bridge, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

COUNT = 200
WANTED_EVERY = 20
BATCH = 8
POINTS = ("intake.before-commit:3", "intake.after-commit:3")


def routes(bridge: Bridge) -> str:
    """The bridge's own stream as plain JSON of which a small part is wanted."""
    source = {"stream": "EVENTS", "decode": "json", "unmatched": "count"}
    wanted = {
        "name": f"{bridge.prefix}-wanted",
        "from": "events.numbers.said",
        "when": "data.wanted",
        "start": {"workflow": "LightWorkflow", "task_queue": bridge.task_queue},
    }
    return yaml.safe_dump({"sources": [source], "routes": [wanted]})


async def publish(client: Client, bridge: Bridge) -> None:
    for number in range(COUNT):
        body = {"number": number, "wanted": number % WANTED_EVERY == 0}
        subject = f"{bridge.prefix}.events.numbers.said"
        await client.jetstream().publish(subject, json.dumps(body).encode())


async def through(bridge: Bridge) -> int:
    found = await checker.rows(
        bridge, "select coalesce(max(sequence), 0) as reached from source_progress"
    )
    return int(found[0]["reached"])


@pytest.mark.parametrize(
    "points",
    [
        POINTS,
        pytest.param(
            ("intake.matched:5", "intake.acked:2", *POINTS), marks=pytest.mark.torture
        ),
    ],
    ids=["at its commit", "everywhere"],
)
async def test_a_killed_daemon_loses_and_doubles_no_count(
    bridge: Bridge, client: Client, points: tuple[str, ...]
) -> None:
    bridge.routes_file.write_text(routes(bridge))
    await publish(client, bridge)
    small = {"NTBRIDGE_INTAKE__BATCH": str(BATCH)}
    reached = [0]
    for point in points:
        doomed = bridge.daemon("doomed", **small, **{VARIABLE: point})
        async with running(doomed):
            assert await asyncio.wait_for(doomed.exited(), 120) == -signal.SIGKILL
        reached.append(await through(bridge))
    # Each was killed on the way: after the one before it, and before the end.
    assert reached == sorted(set(reached))
    assert reached[-1] < COUNT
    async with running(bridge.daemon("successor", **small)):

        async def at_the_end() -> bool:
            return await through(bridge) == COUNT

        await eventually(at_the_end, within=120)
    (counted,) = await checker.rows(
        bridge, "select messages, first, through from counted_messages"
    )
    wanted = COUNT // WANTED_EVERY
    assert dict(counted) == {"messages": COUNT - wanted, "first": 2, "through": COUNT}
    (ranges,) = await checker.rows(
        bridge, "select sum(through - first + 1) as messages from counted_ranges"
    )
    assert ranges["messages"] == COUNT - wanted
    (events,) = await checker.rows(bridge, "select count(*) as stored from events")
    assert events["stored"] == wanted
