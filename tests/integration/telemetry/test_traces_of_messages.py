"""Traces that meet a run which is under way: of an event that is a signal, or an update, to it."""

import json
from typing import Any

import pytest
import yaml
from nats.aio.client import Client

from tests.support import publishing
from tests.support.collector import Collector, collecting
from tests.support.daemon import Bridge, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

REQUESTED = "io.quantum-suite.infra.provision-requested.v1"
HINTED = "io.quantum-suite.infra.hinted.v1"
ANSWERED = "io.quantum-suite.infra.approval-answered.v1"
REQUEST = {
    "environment": "production",
    "resources": [{"name": "files", "kind": "bucket"}],
    "approvers": ["ann"],
}


def write_routes(bridge: Bridge) -> None:
    """A run that asks, an update that it takes in and does not heed, a signal that it waits for."""
    to = {"workflow_id": "data.workflow_id"}
    routes = [
        {
            "name": f"{bridge.prefix}-infra",
            "from": "events.infra.provision-requested",
            "start": {
                "workflow": "InfraProvisionWorkflow",
                "task_queue": bridge.task_queue,
            },
        },
        {
            "name": f"{bridge.prefix}-hint",
            "from": "events.infra.hinted",
            "update": {"update": "hint", **to},
        },
        {
            "name": f"{bridge.prefix}-answer",
            "from": "events.infra.approval-answered",
            "signal": {"signal": "approval-answer", **to},
        },
    ]
    bridge.routes_file.write_text(yaml.safe_dump({"routes": routes}))


async def publish(
    client: Client, bridge: Bridge, event_type: str, data: Any, trace: str
) -> None:
    """As a publisher of any make does that traces."""
    await client.jetstream().publish(
        publishing.subject_of(bridge, event_type),
        json.dumps(publishing.event(event_type, data)).encode(),
        headers={
            "Content-Type": "application/cloudevents+json",
            "Traceparent": f"00-{trace}-b7ad6b7169203331-01",
        },
    )


async def told(results: Any, name: str) -> Any:
    """The data of the result event of this name."""
    while True:
        message = await results.next_msg(timeout=60)
        if message.subject.endswith(f".{name}"):
            return json.loads(message.data)["data"]


async def linked(collector: Collector, trace: str, handled: str) -> list[str]:
    """The names of the spans of a trace, down to the one that a span of the run links to."""

    def look() -> list[str] | None:
        spans = {span.span_id: span for span in collector.trace(trace)}
        links = [link for span in collector.named(handled) for link in span.links]
        found = next((spans.get(span_id) for of, span_id in links if of == trace), None)
        names = []
        while found is not None:
            names.append(found.name)
            found = spans.get(found.parent_id)
        return names[::-1] or None

    return await eventually(look, within=20, what=f"a span {handled} that links to {trace}")


async def test_a_run_links_to_the_event_that_a_signal_or_an_update_came_from(
    bridge: Bridge, client: Client
) -> None:
    write_routes(bridge)
    started, hinted, answered = ("1" * 32, "2" * 32, "3" * 32)
    results = await client.jetstream().subscribe(
        f"{bridge.prefix}.results.>", ordered_consumer=True
    )
    with collecting() as collector:
        daemon = bridge.daemon(**collector.environment)
        worker = bridge.worker(**collector.environment)
        async with running(daemon, worker):
            await publish(client, bridge, REQUESTED, REQUEST, started)
            run = {"workflow_id": (await told(results, "approval-requested"))["workflow_id"]}
            await publish(client, bridge, HINTED, run, hinted)
            for handled in ("ValidateUpdate:hint", "HandleUpdate:hint"):
                assert await linked(collector, hinted, handled) == [
                    "process EVENTS/ntbridge",
                    f"update {bridge.prefix}-hint",
                ]
            answer = {**run, "who": "ann", "approved": False, "why": "no"}
            await publish(client, bridge, ANSWERED, answer, answered)
            assert await linked(collector, answered, "HandleSignal:approval-answer") == [
                "process EVENTS/ntbridge",
                f"signal {bridge.prefix}-answer",
            ]
            assert (await told(results, "completed"))["status"] == "REJECTED"
