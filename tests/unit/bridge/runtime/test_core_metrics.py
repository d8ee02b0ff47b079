"""What Temporal's core measures is passed on, whatever becomes of a single figure."""

import re
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from temporalio.runtime import BUFFERED_METRIC_KIND_COUNTER, BUFFERED_METRIC_KIND_HISTOGRAM

from bridge.runtime.core_metrics import CoreMetrics


def update(name: str, value: object) -> SimpleNamespace:
    metric = SimpleNamespace(
        name=name, kind=BUFFERED_METRIC_KIND_COUNTER, unit="", description=""
    )
    return SimpleNamespace(metric=metric, value=value, attributes={})


def test_the_counts_of_a_series_are_summed_and_durations_are_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = InMemoryMetricReader()
    core = CoreMetrics(MeterProvider([reader]).get_meter("tests"))
    counter = update("temporal_requests", 0).metric
    duration = SimpleNamespace(
        name="temporal_latency", kind=BUFFERED_METRIC_KIND_HISTOGRAM, unit="s", description=""
    )
    start, signal = {"operation": "start"}, {"operation": "signal"}
    updates = [
        SimpleNamespace(metric=metric, value=value, attributes=attributes)
        for metric, value, attributes in (
            (counter, 1, start), (duration, 0.5, start), (counter, 2, signal),
            (counter, 4, start), (duration, 0.5, start),
        )
    ]  # fmt: skip
    monkeypatch.setattr(core, "_buffer", SimpleNamespace(retrieve_updates=lambda: updates))
    core.drain()
    found = reader.get_metrics_data()
    assert found is not None
    metrics = found.resource_metrics[0].scope_metrics[0].metrics
    points: dict[str, list[Any]] = {each.name: list(each.data.data_points) for each in metrics}
    assert {point.attributes["operation"]: point.value for point in points[counter.name]} == {
        "start": 5, "signal": 2,
    }  # fmt: skip
    assert [(point.count, point.sum) for point in points[duration.name]] == [(2, 1.0)]


def test_a_figure_that_cannot_be_recorded_costs_the_others_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader = InMemoryMetricReader()
    core = CoreMetrics(MeterProvider([reader]).get_meter("tests"))
    updates = [update("broken", object()), update("temporal_requests", 3)]
    monkeypatch.setattr(core, "_buffer", SimpleNamespace(retrieve_updates=lambda: updates))
    core.drain()
    found = reader.get_metrics_data()
    assert found is not None
    assert re.search(r'"temporal_requests".*"value": 3', found.to_json(indent=None), re.DOTALL)
