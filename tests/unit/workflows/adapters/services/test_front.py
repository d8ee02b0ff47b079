"""The metrics of a service, as Prometheus collects them."""

from prometheus_client.parser import text_string_to_metric_families

from workflows.adapters.services.front import ServiceMetrics


def collected(metrics: ServiceMetrics) -> dict[tuple[str, str], float]:
    """How many requests each series shows at one collection."""
    return {
        (sample.labels["http_request_method"], sample.labels["http_response_status_code"]): (
            sample.value
        )
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
        if sample.name == "http_server_request_duration_seconds_count"
    }


def test_a_new_series_is_collected_as_0_before_its_requests_so_that_rates_see_them() -> None:
    metrics = ServiceMetrics("staging", "shop")
    for _ in range(3):
        metrics.count("GET", 500, 0.1)
    assert collected(metrics) == {("GET", "500"): 0}
    metrics.count("GET", 500, 0.1)
    metrics.count("GET", 200, 0.1)
    assert collected(metrics) == {("GET", "500"): 4, ("GET", "200"): 0}
    assert collected(metrics) == {("GET", "500"): 4, ("GET", "200"): 1}


def test_requests_that_nothing_collects_take_a_bounded_amount_of_memory() -> None:
    metrics = ServiceMetrics("staging", "shop")
    for _ in range(1_500):
        metrics.count("BREW", 200, 0.1)
    assert collected(metrics) == {("_OTHER", "200"): 1_500}
