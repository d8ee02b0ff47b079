from functools import partial

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bridge import telemetry as of_daemon
from bridge.runtime.metrics import Instruments, Metric, Reading
from bridge.runtime.providers import Providers
from workflows.worker import telemetry as of_workers

TABLE = (*of_daemon.METRICS, *of_workers.METRICS)


@pytest.fixture
def providers() -> Providers:
    return Providers("test", "1", serves_metrics=True, environ={})


async def names_shown(providers: Providers) -> set[str]:
    text = (await providers.page()).body.decode()
    return {
        sample.name for each in text_string_to_metric_families(text) for sample in each.samples
    }


def values(metric: Metric) -> dict[str, str]:
    return dict.fromkeys(metric.attributes, "x")


def reading(metric: Metric) -> Reading:
    return [(1, values(metric))]


async def test_every_metric_is_shown_under_the_name_that_the_table_gives(
    providers: Providers,
) -> None:
    instruments = Instruments(providers.meter, TABLE)
    for metric in TABLE:
        match metric.kind:
            case "counter":
                instruments.add(metric.name, 1, **values(metric))
            case "histogram":
                instruments.record(metric.name, 0.3, **values(metric))
            case "gauge":
                instruments.read_from(metric.name, partial(reading, metric))
    shown = await names_shown(providers)
    assert {
        f"{metric.name}_bucket" if metric.kind == "histogram" else metric.name
        for metric in TABLE
    } <= shown


def test_names_are_given_once() -> None:
    names = [metric.name for metric in TABLE]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("metric", TABLE, ids=lambda metric: metric.name)
def test_a_row_is_whole(metric: Metric) -> None:
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert bool(metric.buckets) == (metric.kind == "histogram")
    assert metric.buckets == tuple(sorted(metric.buckets))
    assert metric.meaning


async def test_a_gauge_that_has_nothing_to_show_is_not_there(providers: Providers) -> None:
    Instruments(providers.meter, TABLE)
    assert "ntbridge_ready" not in await names_shown(providers)


def test_a_name_that_is_not_in_the_table_is_refused(providers: Providers) -> None:
    with pytest.raises(KeyError):
        Instruments(providers.meter, TABLE).read_from("nonsense", lambda: 1)


def test_without_anybody_who_looks_nothing_is_installed() -> None:
    nobody = Providers("test", "1", serves_metrics=False, environ={})
    assert not nobody.is_measuring
    assert not nobody.is_tracing
    Instruments(nobody.meter, TABLE).add("ntbridge_restarts_total", part="relay")
