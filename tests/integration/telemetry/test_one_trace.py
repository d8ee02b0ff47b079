"""One run of the real pipeline, from the publisher to a subscriber: its spans, and all metrics."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import pytest
import yaml
from nats.aio.client import Client

from bridge import telemetry as of_daemon
from bridge.runtime.propagation import from_fields, span_of
from bridge.telemetry.spans import SPANS
from tests.support import checker, pages, publishing
from tests.support.cli import ntbridge
from tests.support.collector import Collector, Span, collecting
from tests.support.daemon import REQUESTED, Bridge, running
from tests.support.waiting import eventually
from workflows.worker import telemetry as of_workers

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

EMIT = "events.emit"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BEGAN = "00-11111111111111111111111111111111-2222222222222222-01"


@dataclass(frozen=True)
class Up:
    """Daemon and worker, watched by a collector."""

    bridge: Bridge
    collector: Collector
    daemon: str
    worker: str


@asynccontextmanager
async def everything(bridge: Bridge) -> AsyncIterator[Up]:
    with collecting() as collector:
        daemon = bridge.daemon(**collector.environment)
        worker = bridge.worker(**collector.environment)
        async with running(daemon, worker):
            yield Up(
                bridge,
                collector,
                await pages.url_of(daemon.command.log),
                await pages.url_of(worker.command.log),
            )


async def test_the_spans_of_a_run_are_one_tree_and_every_metric_is_seen(
    bridge: Bridge, client: Client
) -> None:
    bridge = replace(bridge, closures=True)  # routes with slots need them
    add_routes(bridge)
    results = await client.jetstream().subscribe(
        f"{bridge.prefix}.results.>", ordered_consumer=True
    )
    async with everything(bridge) as up:
        published = await publish_by_command(up)
        closing = await closing_result(results, published["id"])
        await assert_one_tree(up, closing)
        await assert_batches_link(up, client)
        await make_everything_happen(up, client)
        await assert_all_metrics_are_seen(up)


def add_routes(bridge: Bridge) -> None:
    """A route whose target is never there, and one with slots and limits, for the metrics that only such a route has."""
    routes = yaml.safe_load(bridge.routes_file.read_text())
    routes["routes"].append(
        {
            "name": f"{bridge.prefix}-one-at-a-time",
            "from": "events.one-at-a-time.requested",
            "concurrency": {"key": "event.id"},
            "rate": 100,
            "max_in_flight": 4,
            "start": {"workflow": "CodeGenerationWorkflow", "task_queue": "none"},
        }
    )
    routes["routes"].append(
        {
            "name": f"{bridge.prefix}-signal",
            "from": "events.signal.requested",
            "signal": {"signal": "hello", "workflow_id": '"nobody"'},
        }
    )
    bridge.routes_file.write_text(yaml.safe_dump(routes))


async def publish_by_command(up: Up) -> dict[str, Any]:
    done = await ntbridge(
        *("events", "publish", "--output", "json", "-"),
        cwd=up.bridge.folder,
        stdin=json.dumps({"type": REQUESTED, "data": publishing.PROMPT}).encode(),
        env={**up.bridge.environment, **up.collector.environment},
    )
    assert done.code == 0, done.err
    published: dict[str, Any] = {"id": json.loads(done.out)["published"]}
    return published


async def closing_result(results: Any, correlation: str) -> Any:
    """The message that tells the end of the run, with its headers."""
    while True:
        message = await results.next_msg(timeout=60)
        event = json.loads(message.data)
        if event["correlationid"] == correlation and message.subject.endswith(".completed"):
            return message


async def assert_one_tree(up: Up, closing: Any) -> None:
    hop = span_of(from_fields(closing.headers))
    assert hop is not None
    trace_id = f"{hop.trace_id:032x}"
    wanted = tree_of_the_run(up.bridge, await activities_of_the_run(up.bridge, closing))

    async def look() -> bool:
        assert tree(up.collector.trace(trace_id)) == wanted
        return True

    await eventually(look, within=15, what="all spans of the run")
    spans = up.collector.trace(trace_id)
    last = next(span for span in spans if span.span_id == f"{hop.span_id:016x}")
    assert last.name == "send results.>", "what a subscriber goes on from"
    emitted = span_of(from_fields(json.loads(closing.data)))
    assert emitted is not None
    assert f"{emitted.span_id:016x}" == last.parent_id, "where the event's own trace began"
    assert {span.service for span in spans} == {"ntbridge", "ntbridge-cli", "ntbridge-worker"}
    allowed = [pattern_of(span.name) for span in SPANS]
    for span in spans:
        assert any(pattern.fullmatch(span.name) for pattern in allowed), span.name


async def activities_of_the_run(bridge: Bridge, closing: Any) -> list[str]:
    """What the run had done for it, by its history."""
    temporal = await checker.connected(bridge)
    run = temporal.get_workflow_handle(json.loads(closing.data)["subject"])
    await run.result()
    history = await run.fetch_history()
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]


Tree = tuple[Any, ...]


def tree_of_the_run(bridge: Bridge, activities: list[str]) -> list[Tree]:
    """The tree: a name, and the trees below it, sorted."""

    def started(name: str) -> Tree:
        below = [("send results.>",)] if name == EMIT else []
        return (f"StartActivity:{name}", (f"RunActivity:{name}", *below))

    assert EMIT in activities
    assert "qagent.generate_code" in activities
    workflow = "CodeGenerationWorkflow"
    inside = [(f"RunWorkflow:{workflow}",), *map(started, activities)]
    dispatch = (
        f"start {bridge.route}",
        *sorted([*inside, (f"CompleteWorkflow:{workflow}",)]),
    )
    return [("send events.>", ("process EVENTS/ntbridge", dispatch))]


def tree(spans: list[Span]) -> list[Tree]:
    """The spans as such a tree."""
    known = {span.span_id for span in spans}

    def below(parent: str) -> list[Tree]:
        return sorted(
            (span.name, *below(span.span_id)) for span in spans if span.parent_id == parent
        )

    roots = [span for span in spans if span.parent_id not in known]
    return [(root.name, *below(root.span_id)) for root in roots]


def pattern_of(name: str) -> re.Pattern[str]:
    """A span's name in the table, as a pattern."""
    parts = re.split(r"<\w+>", name)
    return re.compile(".+".join(re.escape(part) for part in parts))


async def assert_batches_link(up: Up, client: Client) -> None:
    """A foreign publisher's header is the parent, the event's own attribute is linked."""
    event = publishing.event(REQUESTED, traceparent=BEGAN)
    await client.jetstream().publish(
        publishing.subject_of(up.bridge, REQUESTED),
        json.dumps(event).encode(),
        headers={"Content-Type": "application/cloudevents+json", "Traceparent": PARENT},
    )
    _, trace_id, span_id, _ = PARENT.split("-")

    def look() -> list[Span] | None:
        return [
            span for span in up.collector.trace(trace_id) if span.name.startswith("process ")
        ] or None

    (process,) = await eventually(look)
    assert process.parent_id == span_id
    assert process.links == ((BEGAN.split("-")[1], BEGAN.split("-")[2]),)
    assert process.attributes["messaging.system"] == "nats"
    assert process.attributes["messaging.operation.type"] == "process"
    assert process.attributes["cloudevents.event_type"] == REQUESTED
    batches = up.collector.named("receive EVENTS/ntbridge")
    assert any((trace_id, span_id) in batch.links for batch in batches)


async def make_everything_happen(up: Up, client: Client) -> None:
    """What a good run does not bring about: a dead letter, a failed call, a failed run."""
    failing = publishing.event(REQUESTED, {"prompt": "", "language": "python"})
    for event in (failing, publishing.event("io.quantum-suite.signal.requested.v1", {})):
        await publishing.structured(client, up.bridge, event)
    subject = publishing.subject_of(up.bridge, REQUESTED)
    await client.jetstream().publish(subject, b"no event")


async def assert_all_metrics_are_seen(up: Up) -> None:
    # This worker has no language model; tests/unit/workflows/worker/test_measuring.py counts its answers.
    of_worker = [each for each in of_workers.METRICS if "language_model" not in each.name]
    for url, table in ((up.daemon, of_daemon.METRICS), (up.worker, of_worker)):
        wanted = {
            f"{metric.name}_bucket" if metric.kind == "histogram" else metric.name
            for metric in table
        }

        async def look(url: str = url, wanted: set[str] = wanted) -> bool:
            seen = await pages.metrics(url)
            assert wanted - seen.keys() == set()
            assert any(name.startswith("temporal_") for name in seen)
            return True

        await eventually(look, within=60, what=f"all metrics on {url}")
        sent = {metric.instrument for metric in table}

        def arrived(sent: set[str] = sent) -> bool:
            assert sent - up.collector.metrics == set()
            return True

        await eventually(arrived, within=60, what="all metrics by OTLP")

    async def looked() -> bool:  # what is counted in the database is looked at now and then
        daemon = await pages.metrics(up.daemon)
        assert daemon["ntbridge_dead_letters_open"] == 2
        assert daemon["ntbridge_routes"] == 4
        assert daemon["ntbridge_ready"] == 1
        return True

    await eventually(looked, within=60, what="the daemon's next look")
