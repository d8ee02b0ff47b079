"""The daemon's life: it waits for Postgres, then runs until it is told to stop."""

import asyncio
import signal

import structlog

from bridge.app import daemon
from bridge.config import Settings
from bridge.outcomes import backoff
from bridge.routes.live import LiveRoutes
from bridge.services import Supervisor, rest, until_signalled
from bridge.storage import open_store
from eventstore.errors import Unavailable

log = structlog.get_logger(__name__)


async def serve(settings: Settings) -> None:
    """Run the daemon until SIGINT or SIGTERM; SIGHUP has it look at the routes again."""
    routes = LiveRoutes(settings.routes)
    until = until_signalled((signal.SIGINT, signal.SIGTERM))
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, routes.look_again)
    attempt = 0
    while not until.is_set():
        attempt += 1
        try:
            async with open_store(settings, "ntbridge") as (database, store):
                services = await daemon(settings, routes, database, store)
                started = asyncio.Event()
                announced = asyncio.create_task(_announce(started, settings, routes))
                try:
                    await Supervisor(services).run(until, started=started)
                finally:
                    announced.cancel()
            break
        except Unavailable as error:
            pause = backoff(attempt)
            log.warning(
                "daemon.waits_for_postgres",
                url=settings.database.shown_url,
                error=str(error),
                next_try_in=round(pause, 1),
            )
            await rest(until, pause)
    log.info("daemon.stopped")


async def _announce(started: asyncio.Event, settings: Settings, routes: LiveRoutes) -> None:
    await started.wait()
    log.info(
        "daemon.ready",
        nats=settings.nats.shown_url,
        temporal=settings.temporal.address,
        postgres=settings.database.shown_url,
        routes=[route.name for route in routes.table.routes],
    )
