"""`TcpTransport`: that of nats-py, changed where it takes a closed connection for an answer."""

import ssl
from urllib.parse import ParseResult

from nats.aio import transport
from typing_extensions import override


class TcpTransport(transport.TcpTransport):
    """A TCP connection that may turn to TLS."""

    @override
    async def readline(self) -> bytes:
        """Return the next line.

        Raises:
            ConnectionResetError: The server has closed the connection. nats-py gets an empty line, and
                then counts as connected: a server that refuses a client certificate closes so.
        """
        line: bytes = await super().readline()  # type: ignore[no-untyped-call]
        if not line:
            raise ConnectionResetError("the server closed the connection")
        return line

    @override
    async def connect_tls(
        self,
        uri: str | ParseResult,
        ssl_context: ssl.SSLContext,
        buffer_size: int,
        connect_timeout: int,
    ) -> None:
        try:
            await super().connect_tls(uri, ssl_context, buffer_size, connect_timeout)
        except BaseException:
            self.close()  # type: ignore[no-untyped-call]  # nats-py would leave it open
            raise
