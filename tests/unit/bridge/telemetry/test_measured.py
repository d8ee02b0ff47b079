"""What is counted, and how a call to Temporal carries its trace on."""

from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Tracer
from temporalio.api.workflowservice.v1 import ExecuteMultiOperationRequest
from temporalio.contrib.opentelemetry import TracingInterceptor

from bridge.operations.calls import Argument, SignalCall, StartCall, UpdateCall
from bridge.operations.outcomes import Outcome
from bridge.telemetry.measured import Measured
from bridge.temporal import requests
from bridge.temporal.tracing import current_header
from tests.unit.bridge.dispatch.builders import dispatch

MINE = {"namespace": "default", "identity": "me"}


class Seen:
    """What was measured."""

    def __init__(self) -> None:
        self._reader = InMemoryMetricReader()
        self.telemetry = Measured(MeterProvider([self._reader]).get_meter("test"))

    def points(self, name: str) -> dict[tuple[str, ...], Any]:
        data = self._reader.get_metrics_data()
        assert data is not None
        return {
            tuple(str(value) for _, value in sorted((point.attributes or {}).items())): point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        }

    def values(self, name: str) -> dict[tuple[str, ...], float]:
        return {by: point.value for by, point in self.points(name).items()}


def test_events_are_counted_by_what_they_came_to() -> None:
    seen = Seen()
    seen.telemetry.received("EVENTS", 5)
    verdicts = ["matched", "matched", "unmatched", "repeat", "set-aside"]
    seen.telemetry.recorded("EVENTS", verdicts, [], 0.02)
    assert seen.values("ntbridge_events_received") == {("EVENTS",): 5}
    assert seen.values("ntbridge_events_recorded") == {
        ("matched", "EVENTS"): 2,
        ("unmatched", "EVENTS"): 1,
        ("repeat", "EVENTS"): 1,
        ("set-aside", "EVENTS"): 1,
    }


def test_a_dispatch_is_counted_once_it_is_settled_however_often_it_was_tried() -> None:
    seen, one = Seen(), dispatch()
    failed = Outcome(state="open", error="away", code="transient")
    done = Outcome(state="done", run_id="r")
    for outcome in (failed, failed, done):
        seen.telemetry.called(one, outcome, 0.01)
        seen.telemetry.settled([(one, outcome)])
    assert seen.values("ntbridge_dispatches_settled") == {("start", "done", "route"): 1}
    assert seen.values("ntbridge_dispatch_failures") == {("transient", "route"): 2}
    (calls,) = seen.points("ntbridge_dispatch_call_duration").values()
    assert calls.count == 3
    (durations,) = seen.points("ntbridge_dispatch_duration").values()
    assert durations.count == 1


def test_restarts_are_shown_before_there_are_any() -> None:
    seen = Seen()
    seen.telemetry.restarted("relay")
    assert seen.values("ntbridge_restarts") == {("daemon",): 0, ("nats",): 0, ("relay",): 1}


@pytest.fixture
def tracer() -> Iterator[Tracer]:
    provider = TracerProvider()
    yield provider.get_tracer("test")
    provider.shutdown()


def test_the_header_is_the_one_of_temporals_own_interceptor(tracer: Tracer) -> None:
    with tracer.start_as_current_span("dispatch"):
        theirs = TracingInterceptor(tracer)._context_to_headers({})  # noqa: SLF001 - the oracle
        ours = current_header()
    assert ours is not None
    assert dict(ours.fields) == theirs


def test_every_call_that_can_carry_the_trace_does(tracer: Tracer) -> None:
    start = StartCall(
        workflow="W",
        task_queue="q",
        workflow_id="w",
        request_id=UUID(int=1),
        argument=Argument(),
        search_attributes={},
        memo={},
    )
    signal = SignalCall(
        workflow_id="w", signal="s", request_id=UUID(int=1), argument=Argument()
    )
    update = UpdateCall(
        workflow_id="w", update="u", request_id=UUID(int=1), argument=Argument()
    )
    with tracer.start_as_current_span("dispatch"):
        header = current_header()
    for request in (
        requests.start(start, **MINE, header=header),
        requests.signal(signal, **MINE, header=header),
        requests.signal_with_start(start, signal, **MINE, header=header),
        requests.update(update, **MINE, header=header).request.input,
        *_parts(requests.update_with_start(start, update, **MINE, header=header)),
    ):
        assert request.header == header


def _parts(both: ExecuteMultiOperationRequest) -> Sequence[Any]:
    start, update = both.operations
    return start.start_workflow, update.update_workflow.request.input


def test_without_a_trace_there_is_no_header() -> None:
    assert current_header() is None
