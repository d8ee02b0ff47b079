"""The NATS connection of the daemon.

nats-py closes a client permanently in cases that a daemon must survive (a header over the limit,
a revoked credential, an expired token), whatever its reconnect settings are. `NatsConnection`
therefore watches the client and creates a new one whenever it closes. Pings detect frozen servers,
which TCP does not.

The client is `bridge.jetstream.client.BridgeClient`, which reads any message that a server stores.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import structlog
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoServersError, StaleConnectionError
from nats.js import JetStreamContext
from nats.js.api import StreamInfo
from nats.js.errors import APIError, NotFoundError
from typing_extensions import override

from bridge.errors import NotConnected, RequestRefused, SourceMissing
from bridge.jetstream.client import BridgeClient
from bridge.jetstream.tls_diagnosis import tls_problem
from bridge.lifecycle.services import TaskService
from bridge.runtime.tls import tls_fault
from bridge.settings.nats_connection import NatsConnectionSettings
from bridge.settings.schema import NatsSettings

log = structlog.get_logger(__name__)

CLIENT_FAULTS = (NatsError, APIError, OSError, TimeoutError, NotConnected, RequestRefused)
"""Errors that a client call may raise when NATS is unavailable or refuses the request."""


def words(error: Exception) -> str:
    """Return the error text of the server or the client, without names of Python classes."""
    if (fault := tls_fault(error)) is not None:
        return fault
    if isinstance(error, APIError) and error.description:
        return f"{error.description} (code {error.err_code or error.code})"
    return str(error) or type(error).__name__


_WITHOUT_REASON = (
    *(TimeoutError, NoServersError, StaleConnectionError),
    *(ConnectionResetError, ConnectionAbortedError, BrokenPipeError),
)
"""Errors that report a lost connection without its reason."""


def _gives_reason(error: Exception) -> bool:
    # A server that expects the TLS handshake first answers nats-py's silence with a TLS alert.
    return not isinstance(error, _WITHOUT_REASON) and "expecting INFO" not in str(error)


_CONNECT_SECONDS = 2
_PING_SECONDS = 1
_FLUSH_SECONDS = 5.0
_FIRST_PAUSE_SECONDS = 0.1
_MAX_PAUSE_SECONDS = 2.0


class NatsConnection(TaskService):
    """One NATS client at a time, replaced whenever it closes.

    `start` waits without limit for a server.

    Args:
        settings: The server's URLs and credentials.
        client_name: Name of the connection in the server's reports.
        rebuilt: Called after a client closed and must be replaced.
    """

    def __init__(
        self,
        settings: NatsSettings,
        client_name: str,
        rebuilt: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__("nats connection")
        self._rebuilt = rebuilt
        self._settings = settings
        self._client_name = client_name
        self._client: BridgeClient | None = None
        self._live = asyncio.Event()

    async def client(self, within: float | None = None) -> BridgeClient:
        """Return the live client, waiting up to ``within`` seconds for one.

        Raises:
            NotConnected: There was none in that time.
        """
        try:
            async with asyncio.timeout(within):
                await self._live.wait()
        except TimeoutError:
            raise NotConnected(f"no NATS connection to {self._settings.shown_url}") from None
        if self._client is None:
            raise NotConnected("the NATS connection is stopped")
        return self._client

    @override
    async def run(self) -> None:
        """Keep a connected client until stopped."""
        stopping = asyncio.create_task(self.stopping.wait())
        try:
            while not self.stopping.is_set():
                made = await self._connect()
                if made is None:
                    return
                self._client, closed = made
                self.problem = None
                self._live.set()
                self.ready()
                log.info("nats.connected", url=self._settings.shown_url)
                gone = asyncio.create_task(closed.wait())
                await asyncio.wait({gone, stopping}, return_when=asyncio.FIRST_COMPLETED)
                gone.cancel()
                if closed.is_set():
                    self._live.clear()
                    self._rebuilt()
                    log.warning(
                        "nats.closed",
                        url=self._settings.shown_url,
                        reason=str(self._client.last_error or "the client library gave up"),
                        next_step="the bridge connects again",
                    )
        finally:
            stopping.cancel()
            client, self._client = self._client, None
            self._live.clear()
            if client is not None:
                await _close(client)

    async def _connect(self) -> tuple[BridgeClient, asyncio.Event] | None:
        pause = _FIRST_PAUSE_SECONDS
        while not self.stopping.is_set():
            try:
                return await self._open()
            except (NatsError, OSError, TimeoutError) as error:
                self._note_problem(error)
                if not _gives_reason(error):
                    self.problem = await tls_problem(self._settings) or self.problem
                log.warning(
                    "nats.unreachable",
                    url=self._settings.shown_url,
                    error=self.problem,
                    next_try_in=pause,
                )
                await self.pause(pause)
                pause = min(2 * pause, _MAX_PAUSE_SECONDS)
        return None

    def _note_problem(self, error: Exception) -> None:
        """Set the problem, unless the error gives no reason and a reason is known already.

        A server that refuses the client first sends the reason and then closes the connection. The
        error about the close, like our own timeout, does not give the reason.
        """
        if self.problem is None or _gives_reason(error):
            self.problem = words(error)

    async def _open(self) -> tuple[BridgeClient, asyncio.Event]:
        """Return a connected client, and an event that is set when it closes."""
        closed, said = asyncio.Event(), set[str]()

        async def on_closed() -> None:
            closed.set()

        async def on_error(error: Exception) -> None:
            # The only place that reports a missing permission. Without a connection, nats-py
            # calls it for each of many attempts.
            text = words(error)
            if not client.is_connected:
                self._note_problem(error)
            if client.is_connected or text not in said:
                log.warning("nats.error", error=text)
            said.add(text)

        async def on_disconnected() -> None:
            log.warning("nats.disconnected", url=self._settings.shown_url)

        async def on_reconnected() -> None:
            self.problem = None
            log.info("nats.reconnected", url=self._settings.shown_url)

        client = BridgeClient(self._settings, self._settings.api)
        try:
            # Without the timeout it would retry forever and could not be stopped.
            async with asyncio.timeout(_CONNECT_SECONDS * len(self._settings.servers) + 1):
                await client.connect(
                    servers=self._settings.servers,
                    name=self._client_name,
                    connect_timeout=_CONNECT_SECONDS,
                    allow_reconnect=True,
                    max_reconnect_attempts=-1,
                    reconnect_time_wait=0.2,  # type: ignore[arg-type]
                    # Without it, a publish larger than the buffer waits forever when the
                    # connection is lost meanwhile, and ignores its cancellation.
                    flush_timeout=_FLUSH_SECONDS,
                    ping_interval=_PING_SECONDS,
                    max_outstanding_pings=2,
                    inbox_prefix=self._settings.inbox_prefix,
                    **_tls(self._settings),
                    closed_cb=on_closed,
                    error_cb=on_error,
                    disconnected_cb=on_disconnected,
                    reconnected_cb=on_reconnected,
                )
        except BaseException:
            await _close(client)
            raise
        return client, closed


def _tls(settings: NatsConnectionSettings) -> dict[str, Any]:
    """Return the arguments of nats-py about TLS; the context comes from `BridgeClient`."""
    named = (
        {} if settings.tls_server_name is None else {"tls_hostname": settings.tls_server_name}
    )
    return {"tls_handshake_first": settings.tls_first, **named}


async def _close(client: Client) -> None:
    with contextlib.suppress(NatsError, OSError, TimeoutError, asyncio.CancelledError):
        async with asyncio.timeout(2):
            if client.is_connected:
                await client.flush(1)
            await client.close()


async def stream_info(js: JetStreamContext, stream: str) -> StreamInfo:
    """Return the server's information about a stream.

    Raises:
        SourceMissing: The stream does not exist.
    """
    try:
        return await js.stream_info(stream)
    except NotFoundError:
        raise SourceMissing(
            f"the NATS stream {stream!r} does not exist; 'ntbridge migrate' declares "
            "the bridge's own streams",
        ) from None


async def connect_once(settings: NatsSettings, client_name: str) -> BridgeClient:
    """Connect for one command; fail within seconds instead of waiting for a server.

    Raises:
        NotConnected: The server cannot be reached, or refuses the connection.
    """
    faults: list[Exception] = []

    async def on_error(error: Exception) -> None:
        faults.append(error)
        if client.is_connected:
            log.warning("nats.error", error=words(error))

    client = BridgeClient(settings, settings.api)
    try:
        async with asyncio.timeout(5):
            await client.connect(
                servers=settings.servers,
                name=client_name,
                connect_timeout=2,
                allow_reconnect=False,
                # Also limits the first connection, which nats-py otherwise retries forever.
                max_reconnect_attempts=1,
                reconnect_time_wait=0.1,  # type: ignore[arg-type]
                inbox_prefix=settings.inbox_prefix,
                **_tls(settings),
                error_cb=on_error,
            )
    except (NatsError, OSError, TimeoutError) as error:
        await _close(client)
        # The last one may be the close of the connection, which does not give the reason.
        told = [fault for fault in faults if _gives_reason(fault)]
        if not told and (problem := await tls_problem(settings)):
            raise NotConnected(
                f"cannot connect to NATS at {settings.shown_url}: {problem}"
            ) from error
        reason = words((told or faults or [error])[-1])
        raise NotConnected(
            f"cannot connect to NATS at {settings.shown_url}: {reason}",
        ) from error
    return client
