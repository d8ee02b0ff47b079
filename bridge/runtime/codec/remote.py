"""`RemoteCodec`: a codec server of one's own encodes and decodes.

Source: https://docs.temporal.io/codec-server. ``POST <url>/encode`` and ``<url>/decode`` with the JSON form
of the message ``temporal.api.common.v1.Payloads``; the answer has as many payloads.
"""

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Literal, TypeVar

import httpx
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.converter import PayloadCodec
from typing_extensions import override

from bridge.runtime.errors import CodecError

_PAUSES = (0.1, 0.4)
"""Seconds before the second and the third try; callers retry after that, more slowly."""
_MAX_ANSWER_BYTES = 64 * 2**20
_MAX_CONNECTIONS = 50
_INLINE_BYTES = 64 * 2**10
"""More bytes than these are converted to or from JSON in a thread."""

Given = TypeVar("Given")
Made = TypeVar("Made")


class RemoteCodec(PayloadCodec):
    """Sends payloads to a codec server. Safe for concurrent callers of one event loop.

    Args:
        url: The server's address; the paths ``/encode`` and ``/decode`` are below it.
        token: Sent as ``Authorization: Bearer …``; None: not sent.
        namespace: Temporal's namespace, sent as ``X-Namespace``.
        seconds: Timeout of one request.
    """

    def __init__(self, url: str, token: str | None, namespace: str, seconds: float) -> None:
        self._url = url.rstrip("/")
        self._headers = {"Content-Type": "application/json", "X-Namespace": namespace}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._seconds = seconds
        self._client: httpx.AsyncClient | None = None

    @override
    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the encoded payloads.

        Raises:
            CodecError: The server does not answer, or refuses.
        """
        return await self._asked("encode", payloads)

    @override
    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the decoded payloads.

        Raises:
            CodecError: The server does not answer, or refuses.
        """
        return await self._asked("decode", payloads)

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def _asked(
        self, path: Literal["encode", "decode"], payloads: Sequence[Payload]
    ) -> list[Payload]:
        if not payloads:
            return []
        body = await _at_leisure(_written, payloads, sum(len(each.data) for each in payloads))
        for pause in _PAUSES:
            try:
                return await self._tried(path, body, len(payloads))
            except CodecError as error:
                if not error.unreachable:
                    raise
            await asyncio.sleep(pause)
        return await self._tried(path, body, len(payloads))

    async def _tried(self, path: str, body: bytes, number: int) -> list[Payload]:
        content = await self._posted(path, body)
        found = await _at_leisure(_read, content, len(content))
        if len(found) != number:
            raise self._error(f"it answers with {len(found)} payloads for {number}")
        return found

    async def _posted(self, path: str, body: bytes) -> bytes:
        try:
            async with (
                asyncio.timeout(self._seconds),
                self._connected().stream(
                    "POST", f"{self._url}/{path}", content=body, headers=self._headers
                ) as answer,
            ):
                content = b""
                async for piece in answer.aiter_bytes():
                    content += piece
                    if len(content) > _MAX_ANSWER_BYTES:
                        raise self._error(f"its answer has more than {_MAX_ANSWER_BYTES} bytes")
        except TimeoutError:
            reason = f"no answer within {self._seconds:g} s"
            raise self._error(reason, unreachable=True) from None
        except httpx.HTTPError as error:
            # The error's own text may quote the URL; its kind says enough.
            reason = f"{type(error).__name__}: {error}".replace(self._url, "")
            raise self._error(reason, unreachable=True) from None
        if answer.status_code != HTTPStatus.OK:
            retried = (
                answer.is_server_error or answer.status_code == HTTPStatus.TOO_MANY_REQUESTS
            )
            # Without its body, which may quote a payload.
            raise self._error(
                f"it answers {answer.status_code} to /{path}{_advice(answer.status_code)}",
                unreachable=retried,
            )
        return content

    def _connected(self) -> httpx.AsyncClient:
        # Not in the constructor: a client belongs to the event loop that first uses it.
        if self._client is None:
            self._client = httpx.AsyncClient(
                timeout=None,  # noqa: S113 - `_posted` has one for all of it
                limits=httpx.Limits(max_connections=_MAX_CONNECTIONS),
                follow_redirects=False,
            )
        return self._client

    def _error(self, reason: str, *, unreachable: bool = False) -> CodecError:
        return CodecError(f"the codec server {self._url}: {reason}", unreachable=unreachable)


def _advice(status: int) -> str:
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return ": correct codec.token"
    return ": correct codec.remote" if status == HTTPStatus.NOT_FOUND else ""


async def _at_leisure(work: Callable[[Given], Made], given: Given, size: int) -> Made:
    """Convert on the event loop, or in a thread if it takes long."""
    return work(given) if size <= _INLINE_BYTES else await asyncio.to_thread(work, given)


def _written(payloads: Sequence[Payload]) -> bytes:
    return json_format.MessageToJson(Payloads(payloads=payloads), indent=None).encode()


def _read(content: bytes) -> list[Payload]:
    try:
        return list(json_format.Parse(content, Payloads(), ignore_unknown_fields=True).payloads)
    except (json_format.ParseError, UnicodeDecodeError):
        # Its text quotes the content.
        raise CodecError("the codec server's answer is not JSON of payloads") from None
