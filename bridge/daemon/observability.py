"""The daemon's observability: HTTP pages, metrics and traces.

It starts before Postgres is reachable and keeps running while the daemon is rebuilt after a
failed start.
"""

import asyncio
import os
import socket
from types import TracebackType
from typing import Self

import structlog
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.worker import Interceptor

from bridge.errors import SettingsError
from bridge.health.monitor import HealthMonitor
from bridge.routes.live import LiveRoutes
from bridge.runtime.core_metrics import CoreMetrics
from bridge.runtime.errors import AddressTakenError, TelemetryError
from bridge.runtime.http import HttpServer
from bridge.runtime.providers import Providers
from bridge.settings.schema import Settings
from bridge.telemetry import NO_TELEMETRY, Telemetry
from bridge.telemetry.measured import Measured
from bridge.telemetry.traced import Traced

log = structlog.get_logger(__name__)

_USUAL_PORT = 9464
"""The default port of OpenTelemetry's Prometheus exporters."""


class Observability:
    """The daemon's pages, telemetry and monitor. Use as an async context manager.

    Args:
        settings: The daemon's settings.
        routes: The routes in force.
        until: Set when the daemon must stop.

    Raises:
        SettingsError: The ``OTEL_*`` variables ask for an exporter that cannot be used; or, on
            entering, the port is in use.
    """

    def __init__(self, settings: Settings, routes: LiveRoutes, until: asyncio.Event) -> None:
        instance = f"{socket.gethostname()}:{os.getpid()}"
        try:
            self._providers = Providers(
                "ntbridge", instance, serves_metrics=settings.http.enabled
            )
        except TelemetryError as error:
            raise SettingsError(str(error)) from error
        self.monitor = HealthMonitor(settings, routes, until)
        self.interceptors: list[Interceptor] = []
        """For the daemon's own worker, so that its activities appear in the traces."""
        if self._providers.is_tracing:
            self.interceptors = [TracingInterceptor()]
        self.telemetry: Telemetry = NO_TELEMETRY
        if self._providers.is_measuring or self._providers.is_tracing:
            kind = Traced if self._providers.is_tracing else Measured
            measured = kind(self._providers.meter)
            self.monitor.show_in(measured.instruments)
            self.telemetry = measured
        self.core = CoreMetrics(self._providers.meter if self._providers.is_measuring else None)
        self._http: HttpServer | None = None
        if settings.http.enabled:
            self._http = HttpServer(
                {**self.monitor.pages(), "/metrics": self._providers.page},
                host=settings.http.host,
                port=settings.http.port,
                usual=_USUAL_PORT,
                names=settings.http.hosts,
            )

    async def __aenter__(self) -> Self:
        if self._http is not None:
            try:
                await self._http.start()
            except AddressTakenError as error:
                raise SettingsError(
                    f"http.port: {error}; take another one (NTBRIDGE_HTTP__PORT, 0 for any that "
                    "is free), or none (NTBRIDGE_HTTP__ENABLED=false)"
                ) from error
            log.info("http.listening", url=self._http.url)
        await self.core.start()
        await self.monitor.start()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.monitor.stop()
        await self.core.stop()
        # In a thread: shutdown may wait for a collector, and the pages must still answer.
        await asyncio.to_thread(self._providers.shutdown)
        if self._http is not None:
            await self._http.stop()
