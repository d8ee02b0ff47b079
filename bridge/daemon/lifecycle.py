"""The daemon's lifecycle: wait for Postgres, run until a signal, stop in order.

On SIGINT or SIGTERM the daemon first reports not ready, then stops its parts in reverse order. It
fetches nothing more, finishes and settles the calls in flight, and releases its leases, so that
another daemon can take over at once. Dispatches that were only planned stay open in their table.
Last it flushes metrics and traces and closes the connections. All of it takes at most
``stop_within`` seconds.
"""

import asyncio
import gc
import signal

import structlog

from bridge.daemon.assembly import daemon
from bridge.daemon.observability import Observability
from bridge.health.postgres_probes import postgres_problem
from bridge.lifecycle.backoff import backoff
from bridge.lifecycle.services import Supervisor, rest
from bridge.routes.live import LiveRoutes
from bridge.runtime.signals import stop_requested
from bridge.settings.schema import Settings
from bridge.sql.storage import open_store
from eventstore.errors import NotAdmitted, Unavailable

log = structlog.get_logger(__name__)


async def serve(settings: Settings) -> None:
    """Run the daemon until SIGINT or SIGTERM; SIGHUP reloads the routes."""
    routes = LiveRoutes(
        settings.routes,
        settings.intake.written_sources,
        settings.type_prefix,
        settings.temporal.names,
        closures=settings.closures.enabled,
    )
    settings = settings.with_sources(routes.table.sources.settings)
    until = stop_requested(settings.stop_within)
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, routes.look_again)
    async with Observability(settings, routes, until) as observability:
        attempt = 0
        while not until.is_set():
            attempt += 1
            try:
                await _live(settings, routes, observability, until)
            except Unavailable as error:
                if isinstance(error, NotAdmitted) and attempt == 1:
                    # The first attempt was refused: a setting is wrong, and waiting would hide it.
                    raise
                observability.telemetry.restarted("daemon")
                observability.monitor.waits_for_postgres(
                    postgres_problem(settings.database, error)
                )
                pause = backoff(attempt)
                log.warning(
                    "daemon.waits_for_postgres",
                    url=settings.database.shown_url,
                    error=str(error),
                    next_try_in=round(pause, 1),
                )
                await rest(until, pause)
    log.info("daemon.stopped")


async def _live(
    settings: Settings, routes: LiveRoutes, observability: Observability, until: asyncio.Event
) -> None:
    """Build the daemon and run it until ``until`` is set.

    Raises:
        Unavailable: Postgres cannot be reached at the start.
    """
    async with open_store(settings, "ntbridge") as (database, store):
        services = await daemon(settings, routes, database, store, observability)
        started = asyncio.Event()
        announced = asyncio.create_task(_announce(started, settings, routes, observability))
        try:
            await Supervisor(services).run(until, started=started)
        finally:
            announced.cancel()
            observability.monitor.over(None)


async def _announce(
    started: asyncio.Event, settings: Settings, routes: LiveRoutes, observability: Observability
) -> None:
    await started.wait()
    spare_loaded_objects()
    observability.monitor.started()
    log.info(
        "daemon.ready",
        nats=settings.nats.shown_url,
        temporal=settings.temporal.address,
        postgres=settings.database.shown_url,
        routes=[route.name for route in routes.table.routes],
        sources=[source.shown for source in settings.intake.sources],
    )


def spare_loaded_objects() -> None:
    """Exempt what is loaded by now from garbage collections.

    Modules, messages of Temporal and routes are some 130,000 objects that live as long as the daemon.
    A full collection would visit them all and stop every call for 50 ms.
    """
    gc.collect()
    gc.freeze()
