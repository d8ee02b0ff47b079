"""A collector of OpenTelemetry's: takes what processes send by OTLP over HTTP, and keeps it."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from typing_extensions import override

from bridge.devstack.ports import HOST


@dataclass(frozen=True)
class Span:
    """A span that was sent."""

    name: str
    kind: int
    service: str
    trace_id: str
    span_id: str
    parent_id: str
    began: int
    links: tuple[tuple[str, str], ...]
    attributes: Mapping[str, Any]
    failed: bool


@dataclass
class Collector:
    """What was sent so far."""

    url: str
    spans: list[Span] = field(default_factory=list)
    metrics: set[str] = field(default_factory=set)
    lock: Lock = field(default_factory=Lock)

    @property
    def environment(self) -> dict[str, str]:
        """What a process must be told to send here, at once."""
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_BSP_SCHEDULE_DELAY": "100",
            "OTEL_METRIC_EXPORT_INTERVAL": "500",
        }

    def trace(self, trace_id: str) -> list[Span]:
        """The spans of one trace, in the order in which they began."""
        with self.lock:
            found = [span for span in self.spans if span.trace_id == trace_id]
        return sorted(found, key=lambda span: span.began)

    def named(self, name: str) -> list[Span]:
        """The spans of one name."""
        with self.lock:
            return [span for span in self.spans if span.name == name]


@contextmanager
def collecting(*, keeps: bool = True) -> Iterator[Collector]:
    """Run a collector; one that does not keep anything only answers."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if not keeps:
                pass
            elif self.path == "/v1/traces":
                _take_spans(collector, body)
            else:
                _take_metrics(collector, body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        @override
        def log_message(self, *_: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer((HOST, 0), Handler)
    server.daemon_threads = True
    collector = Collector(f"http://{HOST}:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _take_spans(collector: Collector, body: bytes) -> None:
    request = ExportTraceServiceRequest.FromString(body)
    taken = []
    for resource in request.resource_spans:
        service = _values(resource.resource.attributes)["service.name"]
        taken += [
            Span(
                name=span.name,
                kind=span.kind,
                service=service,
                trace_id=span.trace_id.hex(),
                span_id=span.span_id.hex(),
                parent_id=span.parent_span_id.hex(),
                began=span.start_time_unix_nano,
                links=tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                attributes=_values(span.attributes),
                failed=span.status.code == span.status.STATUS_CODE_ERROR,
            )
            for scope in resource.scope_spans
            for span in scope.spans
        ]
    with collector.lock:
        collector.spans += taken


def _take_metrics(collector: Collector, body: bytes) -> None:
    request = ExportMetricsServiceRequest.FromString(body)
    names = {
        metric.name
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }
    with collector.lock:
        collector.metrics |= names


def _values(attributes: Any) -> dict[str, Any]:
    def value(pair: KeyValue) -> Any:
        kind = pair.value.WhichOneof("value")
        return None if kind is None else getattr(pair.value, kind)

    return {pair.key: value(pair) for pair in attributes}


if __name__ == "__main__":
    # For benchmarks: answers until its standard input ends.
    with collecting(keeps=False) as running:
        sys.stdout.write(f"{running.url}\n")
        sys.stdout.flush()
        sys.stdin.read()
