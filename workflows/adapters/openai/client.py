"""Sends requests to such a server and translates its answers and errors.

=====================================  ======================================================
answer                                 error
=====================================  ======================================================
429; 408, 409, 425 and 5xx             ``RateLimitedError``; ``GatewayFailedError``, both with
                                       the time that ``Retry-After`` asks for
429 because the quota is used up,      ``GatewayRefusedError``: correct the settings or the
401, 403, 404, 405 and redirections    account
400, 413, 422, an answer that was      ``PromptNotServedError``: the same prompt would fail
withheld by a filter                   again
an answer that was cut off             ``AnswerUnusableError``: a shorter one may be whole
no connection, silence, an answer      ``GatewayFailedError``
that ends early or is not JSON
=====================================  ======================================================
"""

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import httpx
import msgspec

from workflows.adapters.models.calls import Completion
from workflows.adapters.openai.events import MAX_ANSWER, events_of
from workflows.adapters.openai.wire import (
    Chunk,
    EmbeddingsReply,
    ErrorBody,
    Refusal,
    TokenCounts,
    decoded,
    patience,
)
from workflows.errors import (
    AnswerUnusableError,
    GatewayFailedError,
    GatewayRefusedError,
    PromptNotServedError,
    RateLimitedError,
)
from workflows.messages.usage import Usage
from workflows.settings import OpenAISettings

_CONNECTING: Final = 10.0
# HTTP_PROXY is not used for a gateway on this machine: for the proxy, localhost is itself.
DIRECT: Final[Mapping[str, None]] = {
    f"all://{host}": None for host in ("localhost", "127.0.0.1", "[::1]")
}
_AGAIN: Final = frozenset({408, 409, 425, 429})
_OUR_PROMPT: Final = frozenset({400, 413, 422})
_DONE: Final = "[DONE]"
_COUNT_TOKENS: Final = {"stream_options": {"include_usage": True}}


class OpenAIClient:
    """A client of one server. Each request opens a new connection; that is fast compared with an answer."""

    def __init__(self, settings: OpenAISettings) -> None:
        self._settings = settings
        self._counts_tokens = True

    async def complete(
        self,
        *,
        system: str,
        user: str,
        within: float | None = None,
        fresh: bool = True,  # noqa: ARG002 - as in the port
    ) -> Completion:
        """Return the model's answer, read as a stream; it is always a new one.

        Raises:
            RateLimitedError, GatewayFailedError, GatewayRefusedError, PromptNotServedError:
                See the module's table.
        """
        settings = self._settings
        if not settings.model:
            raise GatewayRefusedError("no model is set: NTBRIDGE_WORKER_OPENAI__MODEL")
        body: dict[str, Any] = {
            "model": settings.model,
            "stream": True,
            "messages": [
                {"role": "system", "content": system},
                {"role": "user", "content": user},
            ],
        }
        if settings.max_tokens is not None:
            body["max_tokens"] = settings.max_tokens
        if self._counts_tokens:
            try:
                return await self._completion({**body, **_COUNT_TOKENS}, within)
            except PromptNotServedError as error:
                if "stream_options" not in str(error):
                    raise
                self._counts_tokens = False  # a server that refuses what it does not know
        return await self._completion(body, within)

    async def _completion(self, body: dict[str, Any], within: float | None) -> Completion:
        pieces: list[str] = []
        model: str = body["model"]
        finished: str | None = None
        used = TokenCounts()
        async with (
            self._post("chat/completions", body, within=within) as response,
            aclosing(_answer(response)) as events,
        ):
            async for data in events:
                if data == _DONE:
                    break
                chunk = decoded(data, Chunk)
                if chunk.error is not None:
                    raise GatewayFailedError(f"{self._where}: {chunk.error.message}")
                model = chunk.model or model
                used = chunk.usage or used
                for choice in chunk.choices[:1]:  # the last chunk may only count tokens
                    added = choice.message or choice.delta
                    if added.tool_calls or added.function_call:
                        raise PromptNotServedError(
                            f"{model} called a tool instead of answering: none is offered to it; "
                            "choose another model, or switch tools off at the server"
                        )
                    pieces.append(added.content or "")
                    finished = choice.finish_reason or finished
        _whole(finished, self._where)
        usage = Usage(
            prompt_tokens=used.prompt_tokens,
            completion_tokens=used.completion_tokens,
            finish_reason=finished,
        )
        return Completion("".join(pieces), model, usage, streamed=_is_stream(response))

    async def embed(self, text: str) -> tuple[float, ...]:
        """Return the vector of a text, of length 1.

        Raises:
            RateLimitedError, GatewayFailedError, GatewayRefusedError, PromptNotServedError:
                See the module's table.
        """
        model = self._settings.embedding_model
        if not model:
            raise GatewayRefusedError(
                "no model is set: NTBRIDGE_WORKER_OPENAI__EMBEDDING_MODEL"
            )
        async with self._post("embeddings", {"model": model, "input": text}) as response:
            answer = decoded(await response.aread(), EmbeddingsReply)
        vector = answer.data[0].embedding if answer.data else []
        length = math.sqrt(math.fsum(number * number for number in vector))
        if not vector or not math.isfinite(length) or length == 0:
            raise GatewayFailedError(f"{self._where} sent a vector of length 0")
        return tuple(number / length for number in vector)

    @property
    def _where(self) -> str:
        return self._settings.base_url

    @asynccontextmanager
    async def _post(
        self, path: str, body: dict[str, Any], *, within: float | None = None
    ) -> AsyncIterator[httpx.Response]:
        """Send a request and yield the response if its status is a success."""
        settings = self._settings
        seconds = within or settings.seconds
        headers = {"Content-Type": "application/json"}
        if settings.api_key is not None:
            headers["Authorization"] = f"Bearer {settings.api_key.get_secret_value()}"
        timeout = httpx.Timeout(settings.silence, connect=_CONNECTING)
        try:
            async with (
                asyncio.timeout(seconds),
                httpx.AsyncClient(timeout=timeout, mounts=DIRECT) as client,
                client.stream(
                    "POST",
                    f"{settings.base_url.rstrip('/')}/{path}",
                    content=msgspec.json.encode(body),
                    headers=headers,
                ) as response,
            ):
                if not response.is_success:
                    await _refuse(response, self._where)
                yield response
        except httpx.TimeoutException as error:
            raise GatewayFailedError(
                f"{self._where} was silent for {settings.silence:g} s"
            ) from error
        except TimeoutError as error:
            raise GatewayFailedError(f"{self._where} took longer than {seconds:g} s") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise GatewayFailedError(f"{self._where} cannot be used: {reason}") from error


async def _refuse(response: httpx.Response, where: str) -> None:
    """Raise the error for a response that is not a success."""
    status = response.status_code
    body = await response.aread()
    try:
        problem = decoded(body, Refusal).problem
    except GatewayFailedError:
        problem = ErrorBody()  # a proxy's page, or empty: the status is enough
    message = f"{where} answered {status}: {problem.message[:300]}"
    if problem.code == "insufficient_quota":
        raise GatewayRefusedError(message, status=status)
    if status in _AGAIN or response.is_server_error:
        kind = (
            RateLimitedError if status == httpx.codes.TOO_MANY_REQUESTS else GatewayFailedError
        )
        raise kind(message, seconds=patience(response.headers.get("Retry-After", "")))
    if status in _OUR_PROMPT:
        raise PromptNotServedError(message)
    raise GatewayRefusedError(message, status=status)


async def _answer(response: httpx.Response) -> AsyncGenerator[str]:
    """Give the chunks of an answer; of a server that ignores ``stream``, its one piece."""
    if _is_stream(response):
        async for data in events_of(response.aiter_bytes()):
            yield data
        return
    whole = bytearray()
    async for piece in response.aiter_bytes():
        whole += piece
        if len(whole) > MAX_ANSWER:
            raise GatewayFailedError(f"the answer is longer than {MAX_ANSWER} bytes")
    try:
        yield whole.decode()
    except UnicodeDecodeError as error:
        raise GatewayFailedError(f"the answer is not UTF-8: {error}") from error


def _is_stream(response: httpx.Response) -> bool:
    kind: str = response.headers.get("Content-Type", "")
    return kind.partition(";")[0].strip().lower() != "application/json"


def _whole(finished: str | None, where: str) -> None:
    """Check that an answer is complete."""
    if finished is None:
        raise GatewayFailedError(f"{where} ended its answer before it was complete")
    if finished == "length":
        raise AnswerUnusableError("the model's answer was cut off at the limit of its length")
    if finished == "content_filter":
        raise PromptNotServedError("the model's answer was withheld by a filter")
