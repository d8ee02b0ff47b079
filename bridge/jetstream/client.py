"""The NATS client of the bridge: nats-py, changed so that it reads any stored message.

nats-py closes the connection, and each following one, when it receives a message whose subject
holds a vertical tab, a form feed or a byte that is not UTF-8. It parses the headers of a delivery
and those of a message fetched by sequence differently. It takes a stored message with a ``Status``
header for a control message of the server. `BridgeClient` replaces these parts:

- It splits control lines as nats-server does: only at spaces and tabs.
- Bytes of a subject that are not UTF-8 become lone surrogates (PEP 383). So subjects stay distinct,
  and `bridge.jetstream.subjects.subject_bytes` gives the bytes back.
- A request can wait for a permissions violation in addition to the answer.
- Headers are always `bridge.cloudevents.headers.Headers`, in ``Msg.headers`` and from ``get_msg``.
- A server that closes the connection instead of answering has not accepted it (`TcpTransport`).
- A ``tls://`` URL or a TLS setting requires TLS: the client sends no credentials to a server without it.
- Certificates, credentials, passwords and tokens are read from their files for each connection.
"""

import asyncio
import base64
import json
import ssl
from pathlib import Path
from typing import Any, cast

from nats.aio.client import Client, Srv
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.errors import ProtocolError
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from nats.protocol.parser import AWAITING_CONTROL_LINE, AWAITING_MSG_PAYLOAD, Parser
from typing_extensions import override

from bridge.cloudevents.headers import Headers
from bridge.jetstream.acks import is_delivery
from bridge.jetstream.credentials import Credentials
from bridge.jetstream.tcp_transport import TcpTransport
from bridge.runtime.errors import ConnectionFileError
from bridge.runtime.tls import client_context
from bridge.settings.nats_connection import NatsConnectionSettings
from bridge.settings.source_settings import DEFAULT_API

_MESSAGE = (b"MSG ", b"HMSG ")
_END = b"\r\n"
_TOKENS = {(b"MSG", 4), (b"MSG", 5), (b"HMSG", 5), (b"HMSG", 6)}
"""Kinds of control lines of messages, each with and without a reply subject."""


class _LineParser(Parser):
    """Parses control lines of messages; nats-py parses the other lines of the server."""

    @override
    async def parse(self, data: bytes = b"") -> None:
        self.buf.extend(data)
        while self.buf:
            if self.state == AWAITING_MSG_PAYLOAD:
                if len(self.buf) < self.needed + len(_END):
                    return
                await self._take_message()
                continue
            end = self.buf.find(_END)
            if end < 0:
                return
            if self.buf.startswith(_MESSAGE):
                self._begin_message(bytes(self.buf[:end]))
                del self.buf[: end + len(_END)]
                continue
            rest = self.buf[end + len(_END) :]
            del self.buf[end + len(_END) :]
            await super().parse()
            self.buf.extend(rest)

    def _begin_message(self, line: bytes) -> None:
        kind, *tokens = line.replace(b"\t", b" ").split(b" ")
        tokens = [token for token in tokens if token]
        if (kind, 1 + len(tokens)) not in _TOKENS:
            raise ProtocolError("nats: malformed message line")
        sizes = 2 if kind == b"HMSG" else 1
        subject, sid, *reply = tokens[:-sizes]
        try:
            self.msg_arg = {
                "subject": subject,
                "sid": int(sid),
                "reply": reply[0] if reply else b"",
            }
            self.header_needed = int(tokens[-2]) if kind == b"HMSG" else 0
            self.needed = int(tokens[-1])
        except ValueError as error:
            raise ProtocolError("nats: malformed message line") from error
        self.state = AWAITING_MSG_PAYLOAD

    async def _take_message(self) -> None:
        headers = bytes(self.buf[: self.header_needed]) or None
        payload = bytes(self.buf[self.header_needed : self.needed])
        del self.buf[: self.needed + len(_END)]
        self.header_needed = 0
        self.state = AWAITING_CONTROL_LINE
        about = self.msg_arg
        await self.nc._process_msg(  # noqa: SLF001 - as nats-py's own parser does
            about["sid"], about["subject"], about["reply"], payload, headers
        )


class _JetStream(JetStreamContext):
    """A JetStream context that parses headers of stored messages with `Headers`."""

    @override
    async def get_msg(
        self,
        stream_name: str,
        seq: int | None = None,
        subject: str | None = None,
        direct: bool | None = False,
        next: bool | None = False,
    ) -> RawStreamMsg:
        """Return a stored message from the stream's leader; ``direct`` is ignored.

        Raises:
            NotFoundError: There is no such message.
        """
        if next:
            request: dict[str, Any] = {"seq": seq, "next_by_subj": subject}
        elif subject:
            request = {"last_by_subj": subject}
        else:
            request = {"seq": seq}
        answer = await self._api_request(
            f"{self._prefix}.STREAM.MSG.GET.{stream_name}",
            json.dumps(request).encode(),
            timeout=self._timeout,
        )
        message: RawStreamMsg = RawStreamMsg.from_response(answer["message"])
        message.headers = Headers.read(base64.b64decode(message.hdrs or b""))
        message.data = base64.b64decode(message.data) if message.data else None
        return message


def api_of(client: Client) -> str:
    """Return what the subjects of JetStream requests of a client begin with."""
    return client.api if isinstance(client, BridgeClient) else DEFAULT_API


class PlaintextError(NatsError):
    """The settings require TLS, and the server does not offer it."""


class SecretFileMissingError(NatsError):
    """A file of the settings cannot be used; has the setting, the file and the reason."""


def _secret(name: str, value: str | None, file: Path | None) -> str | None:
    if file is None:
        return value
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise SecretFileMissingError(
            f"nats.{name}_file: the file {file} cannot be read: {why}"
        ) from None


class BridgeClient(Client):
    """A NATS client that parses all messages in one way; see the module's docstring.

    Args:
        settings: How to authenticate, and TLS.
        api: What the subjects of JetStream requests begin with.
    """

    def __init__(self, settings: NatsConnectionSettings, api: str = DEFAULT_API) -> None:
        super().__init__()
        self.api = api
        self._settings = settings
        self._ps = _LineParser(self)
        self._is_delivery = False
        self._denials: dict[str, asyncio.Future[str]] = {}

    async def denied(self, subject: str) -> str:
        """Wait for a permissions violation on publishing to a subject; return the server's text."""
        words: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        # The server's error names the subject, and nats-py puts all of it in lower case.
        name = subject.lower()
        self._denials[name] = words
        try:
            return await words
        finally:
            if self._denials.get(name) is words:
                del self._denials[name]

    @override
    async def _process_err(self, err_msg: str) -> None:
        # nats-py reports a permissions violation to the error callback, not to the request.
        for subject, words in self._denials.items():
            if f'"{subject}"' in err_msg and not words.done():
                words.set_result(err_msg.strip("'"))
        await super()._process_err(err_msg)

    @override
    def jetstream(self, **opts: Any) -> JetStreamContext:
        return _JetStream(self, **{"prefix": self.api, **opts})

    @override
    async def _connect_to_server(self, s: Srv) -> None:
        if not self._transport and s.uri.scheme not in {"ws", "wss"}:
            self._transport = TcpTransport()  # type: ignore[no-untyped-call]
        await super()._connect_to_server(s)

    @override
    def _connect_command(self) -> bytes:
        # The last step before user and password are sent.
        try:
            self._require_tls()
            self._identify()
        except NatsError:
            if self._transport is not None:
                # nats-py would leave it open.
                self._transport.close()  # type: ignore[no-untyped-call]
            raise
        return super()._connect_command()

    @property
    @override
    def ssl_context(self) -> ssl.SSLContext:
        given = self._settings
        try:
            return client_context(
                "nats", ca=given.tls_ca, cert=given.tls_cert, key=given.tls_key
            )
        except ConnectionFileError as error:
            raise SecretFileMissingError(str(error)) from None

    def _require_tls(self) -> None:
        # nats-py encrypts only if the server offers it, whatever the URL says. An attacker in the
        # server's place could then receive the credentials in plain text.
        if self._settings.requires_tls and not self._has_tls():
            raise PlaintextError(
                "the URL says tls://, or nats.tls_… is set, but the server offers no TLS; no user, "
                "password or token was sent. Switch TLS on at the server, or write nats:// in the URL"
            )

    def _identify(self) -> None:
        # Read before each connection, because the files may have been renewed.
        given = self._settings
        if given.credentials is not None:
            found = Credentials(given.credentials)
            self._signature_cb = found.sign
            self._user_jwt_cb = found.user_jwt
            self._public_nkey = found.public_key
        password = _secret("password", given.password, given.password_file)
        token = _secret("token", given.token, given.token_file)
        self.options |= {"user": given.user, "password": password, "token": token}

    def _has_tls(self) -> bool:
        writer = getattr(self._transport, "_io_writer", None)
        return writer is not None and writer.get_extra_info("ssl_object") is not None

    @override
    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes | None
    ) -> None:
        # Valid until the next message: nats-py handles one message at a time.
        self._is_delivery = is_delivery(reply.decode("latin-1"))
        await super()._process_msg(sid, subject, reply, data, cast("bytes", headers))

    @override
    async def _process_headers(self, headers: bytes | None) -> dict[str, str] | None:
        return Headers.read(headers) if self._is_delivery else Headers.read_reply(headers)

    @override
    def _is_control_message(self, data: bytes, header: dict[str, str]) -> str | None:
        # A stored message is never a control message, whatever its headers say.
        return None if self._is_delivery else super()._is_control_message(data, header)

    @override
    def _build_message(
        self,
        sid: int,
        subject: bytes,
        reply: bytes,
        data: bytes,
        headers: dict[str, str] | None,
    ) -> Msg:
        return self.msg_class(
            subject=subject.decode("utf-8", "surrogateescape"),
            reply=reply.decode("utf-8", "surrogateescape"),
            data=data,
            headers=headers,
            _client=self,
            _sid=sid,
        )
