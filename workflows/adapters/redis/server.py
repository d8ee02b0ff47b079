"""``SharedRedis``: a connection that may be away."""

import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import structlog
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.commands.core import AsyncScript
from redis.exceptions import RedisError

from workflows.errors import RedisAwayError

Given = TypeVar("Given")

_SECONDS: Final = 1.0
"""Timeout of a call. The answer of a model takes longer than that anyway."""
_PAUSE: Final = 5.0

_log = structlog.get_logger(__name__)


class SharedRedis:
    """A connection pool of one server. Connects when it is used; never raises a driver's error.

    Args:
        url: ``redis://``, ``rediss://`` (TLS) or ``unix://``, with user and password if needed.
        pause: Seconds after a failure in which the server is not asked, so that an outage slows no
            call.
    """

    def __init__(self, url: str, *, pause: float = _PAUSE) -> None:
        self._pause = pause
        self._asks_again = 0.0
        self.problem: str | None = None
        """Why the last call failed; None if it succeeded."""
        self._redis: Redis = Redis.from_url(
            url,
            protocol=2,  # older servers too
            socket_timeout=_SECONDS,
            socket_connect_timeout=_SECONDS,
            # A connection that the server closed meanwhile is opened again, once.
            retry=Retry(NoBackoff(), 1),
        )

    def script(self, text: str) -> AsyncScript:
        """Return a script that the server runs; it is loaded when it is used."""
        return self._redis.register_script(text)

    async def call(self, use: Callable[[Redis], Awaitable[Given]]) -> Given:
        """Return what a call gives.

        Raises:
            RedisAwayError: The server is away, refuses the call, or failed a moment ago.
        """
        if self.problem is not None and time.monotonic() < self._asks_again:
            raise RedisAwayError(self.problem)
        try:
            given = await use(self._redis)
        except (RedisError, OSError) as error:
            reason = f"{type(error).__name__}: {error}"
            if self.problem is None:
                _log.warning("redis cannot be used; this process goes on alone", reason=reason)
            self.problem = reason
            self._asks_again = time.monotonic() + self._pause
            raise RedisAwayError(reason) from error
        if self.problem is not None:
            _log.info("redis can be used again")
        self.problem = None
        return given

    async def check(self) -> str | None:
        """Ask the server for an answer; return why there is none."""
        try:
            await self.call(lambda redis: redis.exists("ntbridge:{models}:check"))
        except RedisAwayError as error:
            return str(error)
        return None

    async def close(self) -> None:
        """Close all connections."""
        await self._redis.aclose()
