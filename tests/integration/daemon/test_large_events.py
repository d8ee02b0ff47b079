"""A whole daemon while events pass that are large, or take too much to evaluate."""

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yaml
from nats.aio.client import Client

from tests.support import checker, pages
from tests.support.daemon import LIGHT, Bridge, running
from tests.support.publishing import event, structured
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

PROBE_SECONDS = 3
"""``timeoutSeconds`` of the liveness probe in the Kubernetes manifests."""
COSTLY = {"text": "a" * 2_000_000, "word": "a" * 999_999 + "b"}
"""3 MB, over which a search takes minutes."""
ROW = {"a": 1, "b": "x", "c": [1, 2]}


def rows(megabytes: float) -> dict[str, Any]:
    """Data of many small objects, which take most to decode."""
    return {"rows": [ROW] * int(megabytes * 2**20 / (len(json.dumps(ROW)) + 2))}


def write_routes(bridge: Bridge) -> None:
    start = {"workflow": "LightWorkflow", "task_queue": bridge.task_queue}
    said = {"from": "events.light.requested", "type": LIGHT}
    found = [
        {
            "name": f"{bridge.prefix}-search",
            "when": "has(data.word) && data.text.contains(data.word)",
            "start": start,
        },
        {
            "name": f"{bridge.prefix}-whole",
            "when": "has(data.rows)",
            "start": {**start, "input": "data", "id": '"whole/" + event.uid'},
        },
        {
            "name": f"{bridge.prefix}-told",
            "when": "has(data.rows)",
            "signal": {"signal": "told", "workflow_id": '"nobody/" + event.uid'},
        },
        {"name": f"{bridge.prefix}-small", "when": "has(data.small)", "start": start},
    ]
    routes = [{**said, **route} for route in found]
    bridge.routes_file.write_text(yaml.safe_dump({"routes": routes}))


@asynccontextmanager
async def probed(url: str) -> AsyncIterator[None]:
    """Ask whether the daemon is alive, again and again, as Kubernetes does."""

    async def probe() -> None:
        while True:
            async with asyncio.timeout(PROBE_SECONDS):
                assert (await pages.get(url, "/livez")).status == 200
            await asyncio.sleep(0.05)

    probing = asyncio.create_task(probe())
    try:
        yield
        assert not probing.done(), probing.exception()
    finally:
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)


async def outcomes(bridge: Bridge) -> dict[tuple[str, str], str]:
    """What became of each event by each route that took it."""
    found = await checker.rows(
        bridge,
        "select e.id, d.route, d.state from dispatches d join event_attributes e using (uid)",
    )
    return {
        (row["id"], row["route"].removeprefix(f"{bridge.prefix}-")): row["state"]
        for row in found
    }


async def test_no_event_keeps_the_daemon_from_answering_or_stopping(
    bridge: Bridge, client: Client
) -> None:
    write_routes(bridge)
    data: list[dict[str, Any]] = [{"small": 1}, COSTLY, rows(7.5), rows(1.5), {"small": 1}]
    ids = [str(number) for number in range(2 * len(data))]
    daemon = bridge.daemon()
    async with running(daemon):
        url = await pages.url_of(daemon.command.log)
        async with probed(url):
            for number, each in enumerate(data):
                await structured(client, bridge, event(LIGHT, each, id=ids[number]))
            await checker.settled(bridge, len(data))
        counted = await pages.metrics(url)
        assert counted["ntbridge_evaluation_children_ended_total"] == 1

        # All over again, and stopped while the costly one is in the child's hands.
        for number, each in enumerate(data, start=len(data)):
            await structured(client, bridge, event(LIGHT, each, id=ids[number]))
        await eventually(lambda: all_received(url, 2 * len(data)), within=60)
        os.kill(daemon.pid, signal.SIGTERM)
        async with asyncio.timeout(bridge.settings.stop_within):
            assert await daemon.exited() == 0

    async with running(bridge.daemon("again")):
        await checker.settled(bridge, len(ids))
    stored = await checker.rows(bridge, "select id from event_attributes order by position")
    assert [row["id"] for row in stored] == ids
    expected = {
        (0, "small"): "done",
        (1, "search"): "dead",  # what it takes exceeds the bound
        (2, "whole"): "dead",  # more than Temporal takes
        (2, "told"): "dead",
        (3, "whole"): "done",
        (3, "told"): "dead",  # nobody is there to be told
        (4, "small"): "done",
    }
    assert await outcomes(bridge) == {
        (str(number + again), route): state
        for (number, route), state in expected.items()
        for again in (0, len(data))
    }


async def all_received(url: str, count: int) -> bool:
    """Whether the daemon has fetched so many messages."""
    return (await pages.metrics(url)).get("ntbridge_events_received_total", 0) >= count
