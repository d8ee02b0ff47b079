"""Results that trigger workflows: each once, and a chain that runs in a circle is cut."""

import json
from collections import Counter

import pytest
import yaml
from nats.aio.client import Client as NatsClient

from tests.support import checker, publishing
from tests.support.daemon import LIGHT, Bridge, running
from tests.support.fixtures import bridge, client
from tests.support.light_worker import COMPLETED
from tests.support.waiting import eventually

__all__ = ["bridge", "client"]

pytestmark = pytest.mark.slow

SOURCES = json.dumps([{"stream": "EVENTS"}, {"stream": "RESULTS", "consumer": "results"}])


def route(bridge: Bridge, name: str, event_type: str, subject: str, **says: str) -> object:
    start = {
        "workflow": "LightWorkflow",
        "task_queue": bridge.task_queue,
        "input": "{'number': data.number, 'steps': 0}",
    }
    return {"name": f"{bridge.prefix}-{name}", "from": subject, "type": event_type, **says} | {
        "start": start
    }


async def test_a_result_triggers_the_next_workflow_once_and_a_circle_is_cut(
    bridge: Bridge, client: NatsClient
) -> None:
    routes = [
        route(bridge, "first", LIGHT, "events.light.requested"),
        route(bridge, "again", COMPLETED, "results.light.completed", when="data.number == 1"),
    ]
    bridge.routes_file.write_text(yaml.safe_dump({"routes": routes}))
    daemon = bridge.daemon(
        NTBRIDGE_INTAKE__SOURCES=SOURCES,
        NTBRIDGE_INTAKE__MAX_HOPS="3",
    )
    async with running(bridge.light_worker(), daemon):
        for number in (0, 1):
            event = publishing.event(LIGHT, {"number": number, "steps": 0}, id=str(number))
            await publishing.structured(client, bridge, event)

        async def cut() -> bool:
            (letter,) = await checker.dead_letters(bridge)
            return bool(letter["code"] == "loop")

        await eventually(cut, within=60, forgive=(AssertionError, ValueError))
        # One that is killed here has everything to decide again.
        await daemon.kill()
        await daemon.start()
        await publish_results_again(bridge, client)
        await checker.settled(bridge, 2 + 5 + 4)
        found = await checker.dispatches(bridge)
    by_route = Counter(row["route"].removeprefix(f"{bridge.prefix}-") for row in found)
    assert by_route == {"first": 2, "again": 3}
    assert {row["state"] for row in found} <= {"done", "duplicate"}
    (letter,) = await checker.dead_letters(bridge)
    assert "has passed the bridge 4 times" in letter["reason"]
    assert letter["reason"].count(COMPLETED) == 4
    assert f"{LIGHT} (/tests/publisher, 1)" in letter["reason"]


async def publish_results_again(bridge: Bridge, client: NatsClient) -> None:
    """Every result that was taken in once more, as somebody's replay would."""
    js = client.jetstream()
    stream = f"{bridge.prefix}-RESULTS"
    for sequence in range(1, (await js.stream_info(stream)).state.last_seq):
        message = await js.get_msg(stream, sequence)
        headers = {
            name: value
            for name, value in (message.headers or {}).items()
            if not name.startswith(("Nats-", "Ntbridge-"))
        }
        await js.publish(message.subject or "", message.data or b"", headers=headers)
