"""The service's port: forwards requests to the release in force, and counts them.

The metrics follow OpenTelemetry's semantic conventions for HTTP servers, as Prometheus names them.
They measure what clients get, whatever the release is made of: a release that does not answer
counts as a 502.
"""

import time
from collections.abc import AsyncIterator
from typing import Final

import httpx
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from starlette.background import BackgroundTask
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse

from workflows.adapters.services.instance import Instance

METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_HOP_BY_HOP: Final = frozenset(
    {
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te"),
        *("trailer", "transfer-encoding", "upgrade", "host"),
    }
)
_BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
_HELD_BACK_AT_MOST: Final = 1_000  # durations of a new series, if nothing collects the metrics


class ServiceMetrics:
    """The metrics of one service.

    A new series is collected once as 0 before it shows its requests. Prometheus' ``rate()`` takes the
    first value of a series as its start: without the 0 it would miss all requests of a new status
    before the first collection, for example the first errors of a service.

    Args:
        environment: Its environment.
        service: Its name.
    """

    def __init__(self, environment: str, service: str) -> None:
        self._registry = CollectorRegistry()
        names = ("service_name", "deployment_environment_name")
        of = (service, environment)
        http = ("http_request_method", "http_response_status_code")
        self._seconds = Histogram(
            "http_server_request_duration_seconds",
            "Duration of requests to the service",
            (*names, *http),
            buckets=_BUCKETS,
            registry=self._registry,
        )
        up = Gauge(
            "service_up",
            "1 if a release is in force and answers its health check",
            names,
            registry=self._registry,
        )
        restarts = Counter(
            "service_restarts",
            "How often the release in force had to be started again",
            names,
            registry=self._registry,
        )
        self._of = of
        self._known: set[tuple[str, str]] = set()
        self._new: dict[tuple[str, str], list[float]] = {}  # durations that are held back
        self.up = up.labels(*of)
        self.restarts = restarts.labels(*of)

    def count(self, method: str, status: int, seconds: float) -> None:
        """Count a request."""
        series = (method if method in METHODS else "_OTHER", str(status))
        if series not in self._known:
            self._known.add(series)
            self._seconds.labels(*self._of, *series)
            self._new[series] = []
        held_back = self._new.get(series)
        if held_back is None:
            self._seconds.labels(*self._of, *series).observe(seconds)
        else:
            held_back.append(seconds)
            if len(held_back) == _HELD_BACK_AT_MOST:
                self._release(series)

    def text(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        text = generate_latest(self._registry)
        for series in list(self._new):
            self._release(series)
        return text

    def _release(self, series: tuple[str, str]) -> None:
        for seconds in self._new.pop(series):
            self._seconds.labels(*self._of, *series).observe(seconds)


class Front:
    """Forwards requests to ``instance``, which the supervisor sets.

    Args:
        client: Sends the requests.
        metrics: Count them.
    """

    def __init__(self, client: httpx.AsyncClient, metrics: ServiceMetrics) -> None:
        self._client = client
        self._metrics = metrics
        self.instance: Instance | None = None

    async def answer(self, request: Request) -> Response:
        """Forward a request, and its response."""
        begun = time.perf_counter()
        instance = self.instance
        if instance is None:
            response: Response = JSONResponse({"error": "no release is in force"}, 503)
        else:
            response = await self._forward(request, instance)
        self._metrics.count(request.method, response.status_code, time.perf_counter() - begun)
        return response

    async def _forward(self, request: Request, instance: Instance) -> Response:
        url = httpx.URL(f"{instance.address}{request.url.path}").copy_with(
            query=request.url.query.encode() or None
        )
        headers = [
            (name, value)
            for name, value in request.headers.raw
            if name.decode("latin-1") not in _HOP_BY_HOP
        ]
        has_body = {"content-length", "transfer-encoding"}.intersection(request.headers)
        sent = self._client.build_request(
            request.method, url, headers=headers, content=request.stream() if has_body else None
        )
        instance.request_begins()
        try:
            received = await self._client.send(sent, stream=True)
        except (httpx.HTTPError, ClientDisconnect) as error:
            instance.request_ends()
            return JSONResponse(
                {"error": f"the service does not answer: {type(error).__name__}"}, 502
            )

        async def end() -> None:
            instance.request_ends()
            await received.aclose()

        forwarded = StreamingResponse(
            _raw(received), received.status_code, background=BackgroundTask(end)
        )
        forwarded.raw_headers = [
            (name.lower(), value)
            for name, value in received.headers.raw
            if name.decode("latin-1").lower() not in _HOP_BY_HOP
        ]
        return forwarded


async def _raw(received: httpx.Response) -> AsyncIterator[bytes]:
    async for chunk in received.aiter_raw():
        yield chunk
