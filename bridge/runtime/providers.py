"""OpenTelemetry, set up by its standard variables.

==================================  =======================================================
variable                            effect here
==================================  =======================================================
``OTEL_TRACES_EXPORTER``            ``otlp``, ``console``, any installed exporter, or ``none``
``OTEL_METRICS_EXPORTER``           the same, for metrics; ``/metrics`` is served too
``OTEL_EXPORTER_OTLP_ENDPOINT``     the OTLP endpoint; alone it means ``otlp`` for both
``OTEL_EXPORTER_OTLP_PROTOCOL``     ``http/protobuf`` (the default here) or ``grpc``
``OTEL_TRACES_SAMPLER`` (``_ARG``)  which traces are kept
``OTEL_SERVICE_NAME``               and ``OTEL_RESOURCE_ATTRIBUTES``: this process
``OTEL_SDK_DISABLED``               ``true``: no telemetry
==================================  =======================================================

The SDK and its exporters read the other variables. Without an exporter of traces no tracer is
installed; the API's default tracer does nothing and costs almost nothing.
"""

import logging
import os
from collections.abc import Mapping
from importlib.metadata import entry_points
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.metrics import Meter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_INSTANCE_ID, SERVICE_NAME, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from bridge.runtime.errors import TelemetryError
from bridge.runtime.http import HttpResponse

_PROTOCOLS = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
_SCOPE = "nats-temporal-bridge"
_FLUSH_MILLISECONDS = 3000


class Providers:
    """The process's meter and tracer, and the page ``/metrics``.

    Args:
        service: Service name; ``OTEL_SERVICE_NAME`` overrides it.
        instance: Id of this process among those of the service.
        serves_metrics: Whether `page` is served.
        environ: The environment variables.

    Raises:
        TelemetryError: A requested exporter is unknown or not installed.
    """

    def __init__(
        self,
        service: str,
        instance: str,
        *,
        serves_metrics: bool,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._meters: MeterProvider | None = None
        self._tracers: TracerProvider | None = None
        if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
            return
        # The variables take precedence over these values.
        resource = Resource.create(
            {SERVICE_INSTANCE_ID: instance}
            if environ.get("OTEL_SERVICE_NAME")
            else {SERVICE_NAME: service, SERVICE_INSTANCE_ID: instance}
        )
        readers = [_reader(each) for each in exporters("metrics", environ)]
        if serves_metrics:
            readers.append(
                PrometheusMetricReader(
                    disable_target_info=True, scope_info_enabled=False, registry=self._registry
                )
            )
        if readers:
            self._meters = MeterProvider(readers, resource)
            metrics.set_meter_provider(self._meters)
        chosen = exporters("traces", environ)
        if chosen:
            self._tracers = TracerProvider(resource=resource)
            for exporter in chosen:
                self._tracers.add_span_processor(BatchSpanProcessor(exporter))
            trace.set_tracer_provider(self._tracers)

    @property
    def is_measuring(self) -> bool:
        """Whether metrics are exported or served."""
        return self._meters is not None

    @property
    def is_tracing(self) -> bool:
        """Whether spans are exported."""
        return self._tracers is not None

    @property
    def meter(self) -> Meter:
        """The meter; one without effect when metrics are neither exported nor served."""
        return (
            metrics.NoOpMeter(_SCOPE)
            if self._meters is None
            else self._meters.get_meter(_SCOPE)
        )

    async def page(self) -> HttpResponse:
        """Return the page that Prometheus scrapes."""
        return HttpResponse(generate_latest(self._registry), CONTENT_TYPE_PLAIN_0_0_4)

    def shutdown(self) -> None:
        """Export what is buffered, within a few seconds, and shut down."""
        if self._tracers is not None:
            self._tracers.force_flush(_FLUSH_MILLISECONDS)
            self._tracers.shutdown()
        if self._meters is not None:
            try:
                self._meters.shutdown(_FLUSH_MILLISECONDS)
            except Exception as error:  # noqa: BLE001 - an unreachable collector must not change the exit code
                logging.getLogger(__name__).warning("metrics not flushed: %s", error)


def exporters(signal: str, environ: Mapping[str, str]) -> list[Any]:
    """Return the exporters that are requested by name, or by an OTLP endpoint.

    Args:
        signal: ``traces`` or ``metrics``.
        environ: The environment variables.

    Raises:
        TelemetryError: One of them is unknown or not installed.
    """
    asked = environ.get(f"OTEL_{signal.upper()}_EXPORTER", "").strip()
    if not asked:
        addresses = (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT",
        )
        asked = "otlp" if any(environ.get(name) for name in addresses) else "none"
    names = [name.strip() for name in asked.split(",")]
    # Prometheus has its page; the exporter would open a second port.
    return [
        _exporter(name, signal, environ) for name in names if name not in ("none", "prometheus")
    ]


def _exporter(name: str, signal: str, environ: Mapping[str, str]) -> Any:
    entry = name
    if name == "otlp":
        protocol = (
            environ.get(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL")
            or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
            or "http/protobuf"
        ).strip()
        if protocol not in _PROTOCOLS:
            raise TelemetryError(
                f"OTEL_EXPORTER_OTLP_PROTOCOL: {protocol!r} is not supported; use {' or '.join(_PROTOCOLS)}"
            )
        entry = _PROTOCOLS[protocol]
    found = entry_points(group=f"opentelemetry_{signal}_exporter", name=entry)
    if not found:
        cure = {
            "otlp_proto_http": "pip install 'nats-temporal-bridge[otlp]'",
            "otlp_proto_grpc": "pip install opentelemetry-exporter-otlp-proto-grpc",
        }.get(entry, "install the package that provides it, or choose another exporter")
        raise TelemetryError(
            f"the exporter {name!r} for {signal} (OTEL_{signal.upper()}_EXPORTER, or an OTLP "
            f"endpoint) is not installed: {cure}"
        )
    return next(iter(found)).load()()


def _reader(exporter: Any) -> MetricReader:
    return (
        exporter
        if isinstance(exporter, MetricReader)
        else PeriodicExportingMetricReader(exporter)
    )
