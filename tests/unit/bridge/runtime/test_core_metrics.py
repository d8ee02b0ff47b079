"""What Temporal's core measures is passed on, whatever becomes of a single figure."""

import re
from types import SimpleNamespace

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from temporalio.runtime import BUFFERED_METRIC_KIND_COUNTER

from bridge.runtime.core_metrics import CoreMetrics


def update(name: str, value: object) -> SimpleNamespace:
    metric = SimpleNamespace(
        name=name, kind=BUFFERED_METRIC_KIND_COUNTER, unit="", description=""
    )
    return SimpleNamespace(metric=metric, value=value, attributes={})


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
