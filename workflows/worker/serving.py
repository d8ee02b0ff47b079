"""The worker process, from its settings to its exit code."""

import asyncio
import os
import socket
from collections.abc import Mapping

import structlog
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.runtime import Runtime
from temporalio.worker import Interceptor

from bridge.runtime.core_metrics import CoreMetrics
from bridge.runtime.errors import AddressTakenError, TelemetryError
from bridge.runtime.http import HttpServer
from bridge.runtime.metrics import Instruments
from bridge.runtime.providers import Providers
from bridge.runtime.signals import stop_requested
from bridge.runtime.terminal import print_message
from workflows.config import WorkerSettings
from workflows.errors import InvalidSettingError
from workflows.worker.health import WorkerHealth
from workflows.worker.logs import configure_logs
from workflows.worker.measuring import Measuring
from workflows.worker.telemetry import METRICS
from workflows.worker.worker import PipelineWorker

EXIT_DIED = 1
EXIT_USAGE = 2

_USUAL_PORT = 9465

_log = structlog.get_logger(__name__)


def serve(flags: Mapping[str, str | None], *, log_level: str) -> int:
    """Run a worker until SIGINT or SIGTERM; return the process's exit code.

    0 after an orderly stop, ``EXIT_USAGE`` for a wrong setting, ``EXIT_DIED`` for a worker
    that failed; the log has the reason.
    """
    configure_logs(log_level)
    try:
        settings = WorkerSettings.read(flags)
        providers = _providers(settings)
        worker = PipelineWorker(settings, _interceptors(providers))
        asyncio.run(_until_told(worker, settings, providers))
    except InvalidSettingError as error:
        print_message(f"ntbridge-worker: {error}")
        return EXIT_USAGE
    except Exception:  # noqa: BLE001 -- any failure is logged and ends the process
        _log.exception("worker died")
        return EXIT_DIED
    _log.info("worker stopped")
    return os.EX_OK


async def _until_told(
    worker: PipelineWorker, settings: WorkerSettings, providers: Providers
) -> None:
    """Run the worker until a signal; raise the error if it fails."""
    stopping = stop_requested(settings.stop_within)
    # Before the first client: a client keeps the runtime with which it was created.
    core = CoreMetrics(providers.meter if providers.is_measuring else None, METRICS)
    Runtime.set_default(core.runtime)
    _show(worker.health, providers)
    pages = await _served(worker.health, settings, providers)
    await core.start()
    try:
        await _live(worker, stopping)
    finally:
        await worker.stop()
        await core.stop()
        await asyncio.to_thread(providers.shutdown)
        if pages is not None:
            await pages.stop()


async def _live(worker: PipelineWorker, stopping: asyncio.Event) -> None:
    life = asyncio.create_task(_work(worker))
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({life, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if life.done():
        await life
    _log.info("worker stopping")
    life.cancel()
    await asyncio.gather(life, return_exceptions=True)


async def _work(worker: PipelineWorker) -> None:
    await worker.start()
    await worker.wait()


def _providers(settings: WorkerSettings) -> Providers:
    instance = f"{socket.gethostname()}:{os.getpid()}"
    try:
        return Providers("ntbridge-worker", instance, serves_metrics=settings.http_enabled)
    except TelemetryError as error:
        raise InvalidSettingError(str(error)) from error


def _interceptors(providers: Providers) -> list[Interceptor]:
    tracing = [TracingInterceptor()] if providers.is_tracing else []
    return [*tracing, Measuring()]


def _show(health: WorkerHealth, providers: Providers) -> None:
    if providers.is_measuring:
        gauges = [metric for metric in METRICS if metric.kind == "gauge"]
        instruments = Instruments(providers.meter, gauges)
        instruments.read_from("ntbridge_worker_ready", lambda: float(health.was_ready))


async def _served(
    health: WorkerHealth, settings: WorkerSettings, providers: Providers
) -> HttpServer | None:
    if not settings.http_enabled:
        return None
    server = HttpServer(
        {**health.pages(), "/metrics": providers.page},
        host=settings.http_host,
        port=settings.http_port,
        usual=_USUAL_PORT,
        names=settings.http_hosts,
    )
    try:
        await server.start()
    except AddressTakenError as error:
        raise InvalidSettingError(
            f"NTBRIDGE_WORKER_HTTP_PORT: {error}; use another port, or 0 for any free port"
        ) from error
    _log.info("http.listening", url=server.url)
    return server
