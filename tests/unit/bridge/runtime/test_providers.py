"""Which exporters OpenTelemetry's variables lead to."""

from collections.abc import Mapping

import pytest
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import ConsoleSpanExporter

from bridge.runtime.errors import TelemetryError
from bridge.runtime.providers import Providers, exporters

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("signal", "environ", "wanted"),
    [
        ("traces", {}, []),
        ("traces", {"OTEL_TRACES_EXPORTER": "none", ENDPOINT: "http://c:4318"}, []),
        ("traces", {ENDPOINT: "http://c:4318"}, [OTLPSpanExporter]),
        ("metrics", {ENDPOINT: "http://c:4318"}, [OTLPMetricExporter]),
        ("metrics", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318"}, []),
        ("metrics", {"OTEL_METRICS_EXPORTER": "prometheus"}, []),
        ("traces", {"OTEL_TRACES_EXPORTER": "otlp"}, [OTLPSpanExporter]),
        (
            "traces",
            {"OTEL_TRACES_EXPORTER": "console, otlp"},
            [ConsoleSpanExporter, OTLPSpanExporter],
        ),
    ],
)
def test_exporters(signal: str, environ: Mapping[str, str], wanted: list[type]) -> None:
    assert [type(each) for each in exporters(signal, environ)] == wanted


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "install the package that provides it"),
        (
            {ENDPOINT: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "pip install opentelemetry-exporter-otlp-proto-grpc",
        ),
        (
            {ENDPOINT: "http://c:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
            "use http/protobuf or grpc",
        ),
    ],
)
def test_what_cannot_be_had_says_what_to_do(environ: Mapping[str, str], says: str) -> None:
    with pytest.raises(TelemetryError, match=says):
        exporters("traces", environ)


def test_all_of_it_can_be_switched_off() -> None:
    environ = {"OTEL_SDK_DISABLED": "true", ENDPOINT: "http://c:4318"}
    off = Providers("test", "1", serves_metrics=True, environ=environ)
    assert not off.is_measuring
    assert not off.is_tracing
