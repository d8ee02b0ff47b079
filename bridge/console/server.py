"""The server of ``ntbridge console``: opens what the pages share, and serves until a signal."""

import asyncio
import errno
import os
import socket
import time
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager

import structlog
import uvicorn
from typing_extensions import override

from bridge.console.app import application
from bridge.console.comparisons import Comparisons
from bridge.console.overview_feed import OverviewFeed
from bridge.console.page_plugins import found_plugins
from bridge.console.parts import Parts
from bridge.console.protocol import DeadlineProtocol
from bridge.console.rendering import environment
from bridge.console.sessions import Sessions
from bridge.console.tail import Tail
from bridge.console.tokens import tokens_of
from bridge.errors import SettingsError
from bridge.evaluation import Evaluator
from bridge.history.replay.host import ReplayHost
from bridge.history.replay.targets import Targets
from bridge.inspect.activity import Activity
from bridge.inspect.last_hour import LastHour
from bridge.inspect.overview import overview
from bridge.inspect.todays_routes import TodaysRoutes
from bridge.settings.sources import Loaded
from bridge.sql import STATEMENTS
from bridge.sql.storage import open_store
from bridge.temporal import connect_each

log = structlog.get_logger(__name__)

USUAL_PORT = 8235
_NAME = "ntbridge console"
_BACKLOG = 512
_MAX_HEAD_BYTES = 32 * 1024
_GRACE_SECONDS = 3
_KEEP_ALIVE_SECONDS = 5


async def serve(loaded: Loaded, stop: asyncio.Event) -> None:
    """Serve the console until ``stop`` is set.

    Raises:
        SettingsError: The address is in use, or the token file is wrong.
        Unavailable: The database cannot be reached.
    """
    settings = loaded.settings
    tokens_of(settings.console)  # a wrong file is said now, not at the first login
    listener = listen(settings.console.host, settings.console.port)
    with listener:
        async with opened(loaded) as parts:
            server = Server(
                uvicorn.Config(
                    application(parts),
                    http=DeadlineProtocol,
                    ws="none",
                    lifespan="off",
                    loop="none",
                    log_config=None,
                    access_log=False,
                    proxy_headers=False,
                    server_header=False,
                    timeout_keep_alive=_KEEP_ALIVE_SECONDS,
                    timeout_graceful_shutdown=_GRACE_SECONDS,
                    h11_max_incomplete_event_size=_MAX_HEAD_BYTES,
                )
            )
            serving = asyncio.create_task(server.serve(sockets=[listener]))
            log.info("console.listening", url=url_of(listener, settings.console.host))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
            server.should_exit = True
            await serving
            stopping.cancel()


@asynccontextmanager
async def opened(loaded: Loaded) -> AsyncIterator[Parts]:
    """Open what the pages share.

    Raises:
        Unavailable: The database cannot be reached.
    """
    settings = loaded.settings
    async with (
        open_store(settings, _NAME) as (database, store),
        Evaluator() as evaluator,
    ):
        tail, hour = Tail(store, evaluator), LastHour(Activity(database))
        targets = Targets(settings, database, store, _NAME)
        host = None
        if await database.fetchval(STATEMENTS["may_act"]):
            host = ReplayHost(targets, who=f"console {socket.gethostname()}:{os.getpid()}")
            await host.start()
        try:
            yield Parts(
                settings=settings,
                database=database,
                store=store,
                evaluator=evaluator,
                routes=TodaysRoutes(settings),
                runs=dict(await connect_each(settings.temporal)),
                feed=OverviewFeed(lambda: overview(loaded, database, hour)),
                tail=tail,
                sessions=Sessions(settings.console.session, time.monotonic),
                comparisons=Comparisons(),
                templates=environment(),
                targets=targets,
                host=host,
                plugins=found_plugins(),
            )
        finally:
            if host is not None:
                await host.stop()
            await tail.close()
            await store.aclose()


def listen(host: str, port: int | None) -> socket.socket:
    """Return a listening socket on a port, by default the usual one or any free one.

    Raises:
        SettingsError: The address is in use, or does not exist on this machine.
    """
    try:
        return _bound(host, USUAL_PORT if port is None else port)
    except OSError as error:
        if port is None and error.errno == errno.EADDRINUSE:
            log.warning("console.default_port_in_use", port=USUAL_PORT)
            return _bound(host, 0)
        why = str(error) if error.errno is None else os.strerror(error.errno)
        raise SettingsError(
            f"console.port: cannot listen on {host}:{port or USUAL_PORT} ({why}); use another --port"
        ) from error


def url_of(listener: socket.socket, host: str) -> str:
    """Return the address of a console."""
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


def _bound(host: str, port: int) -> socket.socket:
    family, kind, protocol, _, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    made = socket.socket(family, kind, protocol)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(_BACKLOG)
    except BaseException:
        made.close()
        raise
    return made


class Server(uvicorn.Server):
    """Leaves signals to the caller."""

    @override
    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield
