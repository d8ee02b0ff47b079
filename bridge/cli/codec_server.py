"""``ntbridge codec-server``: decrypts payloads for Temporal's web interface."""

from typing import Annotated

from cyclopts import Parameter

from bridge.cli.common import DEFAULT_CONNECT, Connect
from bridge.errors import SettingsError


async def codec_server(
    *,
    host: str | None = None,
    port: int | None = None,
    origin: Annotated[list[str] | None, Parameter(negative=())] = None,
    encode: bool = False,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """Decrypt payloads for Temporal's web interface and command line, until SIGINT or SIGTERM.

    Has the keys of the daemon (temporal.codec). Give its address to the web interface as "Codec
    Server", or to the command line as --codec-endpoint.

    Parameters
    ----------
    host:
        Address to listen on [default: 127.0.0.1]; another one needs a token
        (NTBRIDGE_CODEC_SERVER__TOKEN or …TOKEN_FILE).
    port:
        Port [default: 8234]; 0 for any free port.
    origin:
        Scheme, host and port of the web interface, such as http://localhost:8233; may be repeated.
    encode:
        Encrypt too; the web interface needs that to start or signal workflows.
    """
    import asyncio

    import structlog

    from bridge.cli.flag_settings import with_flags
    from bridge.runtime.codec import codec_of
    from bridge.runtime.codec.endpoint import MAX_BODY_BYTES, CodecEndpoint
    from bridge.runtime.errors import AddressTakenError
    from bridge.runtime.findings import alive
    from bridge.runtime.http import HttpServer
    from bridge.runtime.signals import stop_requested
    from bridge.settings import logging

    settings = connect.load().settings
    logging.configure(settings.log)
    own = with_flags(
        settings.codec_server,
        "codec_server",
        {"host": host, "port": port, "origins": origin, "encode": encode or None},
    )
    codec = codec_of(settings.temporal.codec, settings.temporal.namespace)
    if codec is None:
        raise SettingsError(
            "there is nothing to decode with: set temporal.codec (docs/encryption.md)"
        )
    endpoint = CodecEndpoint(codec, origins=own.origins, token=own.token, may_encode=own.encode)
    server = HttpServer(
        {"/livez": alive},
        host=own.host,
        port=own.port,
        names=own.hosts,
        handler=endpoint.answer,
        max_body_bytes=MAX_BODY_BYTES,
    )
    stop = stop_requested(settings.stop_within)
    try:
        await server.start()
    except AddressTakenError as error:
        raise SettingsError(f"codec_server.port: {error}; use another --port") from error
    structlog.get_logger(__name__).info(
        "codec_server.listening",
        url=server.url,
        origins=list(own.origins),
        with_token=own.token is not None,
        encodes=own.encode,
    )
    await stop.wait()
    async with asyncio.timeout(settings.stop_within):
        await server.stop()
