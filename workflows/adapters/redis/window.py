"""Limits that all workers share."""

import hashlib
from importlib import resources

from workflows.adapters.models.local import WINDOW, Limits, LocalWindow
from workflows.adapters.redis.server import SharedRedis
from workflows.errors import RedisAwayError

_NO_LIMIT = -1


class SharedWindow:
    """A ``RateWindow`` in Redis, and of this process alone while it is away.

    Args:
        redis: The server.
        limits: The limits of all workers together; each worker must have the same.
        local: The process's own window. It counts the process's calls at all times.
        scope: What is limited: the address of the models' server.
        seconds: The length of the window.
    """

    def __init__(
        self,
        redis: SharedRedis,
        limits: Limits,
        local: LocalWindow,
        *,
        scope: str,
        seconds: float = WINDOW,
    ) -> None:
        self._milliseconds = int(seconds * 1000)
        digest = hashlib.sha256(scope.encode()).hexdigest()[:16]
        # The braces keep both on one node of a cluster.
        self._keys = [f"ntbridge:{{models:{digest}}}:{kind}" for kind in ("calls", "tokens")]
        self._redis = redis
        self._limits = limits
        self._local = local
        self._take = redis.script(_text("take.lua"))
        self._settle = redis.script(_text("settle.lua"))

    async def take(self, call: str, tokens: int) -> float:
        """Count a call if the limits of all workers allow it."""
        limits = [
            _NO_LIMIT if each is None else each
            for each in (self._limits.requests, self._limits.tokens)
        ]
        arguments: list[str | int] = [call, tokens, *limits, self._milliseconds]
        try:
            wait = await self._redis.call(
                lambda redis: self._take(keys=self._keys, args=arguments, client=redis)
            )
        except RedisAwayError:
            return await self._local.take(call, tokens)
        if int(wait) == 0:
            self._local.note(call, tokens)
        return int(wait) / 1000

    async def settle(self, call: str, tokens: int) -> None:
        """Correct the tokens of a call."""
        await self._local.settle(call, tokens)
        try:
            await self._redis.call(
                lambda redis: self._settle(keys=self._keys, args=[call, tokens], client=redis)
            )
        except RedisAwayError:
            return  # the estimate stays; the outage was logged


def _text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text()
