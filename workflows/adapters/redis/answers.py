"""A cache of answers that all workers share."""

import msgspec
import structlog

from workflows.adapters.models.calls import Completion
from workflows.adapters.models.local import LocalAnswers
from workflows.adapters.redis.server import SharedRedis
from workflows.errors import RedisAwayError
from workflows.messages.usage import Usage

_PREFIX = "ntbridge:{models}:answer:"
_MAX_BYTES = 2**20
"""Longer answers are not shared."""

_log = structlog.get_logger(__name__)


class _Stored(msgspec.Struct, frozen=True):
    text: str
    model: str
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    finish_reason: str | None = None
    streamed: bool = True


class SharedAnswers:
    """``Answers`` in Redis, and in this process while it is away.

    Args:
        redis: The server.
        seconds: How long an answer is kept.
        local: The process's own cache.
    """

    def __init__(self, redis: SharedRedis, seconds: float, local: LocalAnswers) -> None:
        self._redis = redis
        self._milliseconds = int(seconds * 1000)
        self._local = local

    async def get(self, key: str) -> Completion | None:
        """Return a stored answer."""
        try:
            found = await self._redis.call(lambda redis: redis.get(_PREFIX + key))
        except RedisAwayError:
            return await self._local.get(key)
        return None if found is None else _read(found)

    async def put(self, key: str, answer: Completion) -> None:
        """Store an answer."""
        await self._local.put(key, answer)
        written = msgspec.json.encode(
            _Stored(
                text=answer.text,
                model=answer.model,
                prompt_tokens=answer.usage.prompt_tokens,
                completion_tokens=answer.usage.completion_tokens,
                finish_reason=answer.usage.finish_reason,
                streamed=answer.streamed,
            )
        )
        if len(written) > _MAX_BYTES:
            return
        try:
            await self._redis.call(
                lambda redis: redis.set(_PREFIX + key, written, px=self._milliseconds)
            )
        except RedisAwayError:
            return  # it is in the process's own cache, and the outage was logged


def _read(found: bytes | str) -> Completion | None:
    try:
        stored = msgspec.json.decode(found, type=_Stored)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        _log.warning("an answer in redis cannot be read; the model is asked", reason=str(error))
        return None
    usage = Usage(
        prompt_tokens=stored.prompt_tokens,
        completion_tokens=stored.completion_tokens,
        finish_reason=stored.finish_reason,
    )
    return Completion(stored.text, stored.model, usage, stored.streamed)
