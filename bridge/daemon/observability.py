"""What the daemon shows of itself, from its first moment to its last: pages, metrics, traces.

It is there before Postgres is, and outlives each attempt to put the daemon together.
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
from bridge.health.monitor import Monitor
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
"""That of OpenTelemetry's Prometheus exporters."""


class Observability:
    """The daemon's pages, its telemetry and its monitor. Use as an async context manager.

    Args:
        settings: Of the daemon.
        routes: In force.
        until: Set when the daemon has been told to stop.

    Raises:
        SettingsError: The ``OTEL_*`` variables ask for what cannot be had; or, on entering, the
            port is taken.
    """

    def __init__(self, settings: Settings, routes: LiveRoutes, until: asyncio.Event) -> None:
        instance = f"{socket.gethostname()}:{os.getpid()}"
        try:
            self._providers = Providers(
                "ntbridge", instance, serves_metrics=settings.http.enabled
            )
        except TelemetryError as error:
            raise SettingsError(str(error)) from error
        self.monitor = Monitor(settings, routes, until)
        self.interceptors: list[Interceptor] = []
        """What makes the daemon's own activities part of the traces."""
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
        # It may wait for a collector, and the pages answer meanwhile.
        await asyncio.to_thread(self._providers.shutdown)
        if self._http is not None:
            await self._http.stop()
