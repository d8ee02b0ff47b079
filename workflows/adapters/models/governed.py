"""A language model behind a cache and limits."""

import asyncio
import hashlib
import json
import random
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

import structlog

from workflows.adapters.models.calls import Answers, Completion, LanguageModel, RateWindow
from workflows.errors import (
    GatewayFailedError,
    GatewayRefusedError,
    RateLimitedError,
)

CHARACTERS_PER_TOKEN = 4
"""The usual estimate for English text and code."""
EXPECTED_TOKENS = 1000
"""Estimate of an answer whose length is not limited, until the server reports it."""
_JITTER = 0.1

_log = structlog.get_logger(__name__)

Sleep = Callable[[float], Awaitable[None]]


class GovernedModel:
    """A ``LanguageModel`` that asks another one only if it must and may.

    Args:
        model: The client of the server.
        answers: The cache; None: every question is asked.
        window: The limits; None: there are none.
        parameters: What an answer depends on besides the text: server, model, settings.
        seconds: Timeout of a call, the wait for the limits included.
        max_tokens: The limit of an answer, for the estimate.
        sleep: Waits for the limits.
    """

    def __init__(
        self,
        model: LanguageModel,
        *,
        answers: Answers | None,
        window: RateWindow | None,
        parameters: Mapping[str, Any],
        seconds: float,
        max_tokens: int | None = None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._model = model
        self._answers = answers
        self._window = window
        self._parameters = parameters
        self._seconds = seconds
        self._expected = max_tokens or EXPECTED_TOKENS
        self._sleep = sleep
        self.last_failure: GatewayFailedError | GatewayRefusedError | None = None
        """Why the last call failed, if the server or the settings are the reason."""

    async def complete(
        self, *, system: str, user: str, within: float | None = None, fresh: bool = False
    ) -> Completion:
        """Return an answer, from the cache or from the model; see `LanguageModel`."""
        key = self._key(system, user)
        if self._answers is not None and not fresh:
            stored = await self._answers.get(key)
            if stored is not None:
                usage = stored.usage.model_copy(update={"cached": True})
                return replace(stored, usage=usage)
        call = uuid.uuid4().hex
        seconds = within or self._seconds
        left = seconds - await self._admitted(call, len(system) + len(user), seconds)
        try:
            answer = await self._model.complete(system=system, user=user, within=left)
        except RateLimitedError:
            raise
        except (GatewayFailedError, GatewayRefusedError) as error:
            self.last_failure = error
            raise
        self.last_failure = None
        if self._window is not None and (tokens := answer.usage.tokens) is not None:
            await self._window.settle(call, tokens)
        if self._answers is not None and answer.text.strip():
            await self._answers.put(key, answer)
        return answer

    async def _admitted(self, call: str, characters: int, within: float) -> float:
        """Wait until the limits allow a call; return the seconds that it took.

        Raises:
            RateLimitedError: It would take too long.
        """
        if self._window is None:
            return 0.0
        tokens = characters // CHARACTERS_PER_TOKEN + self._expected
        waited = 0.0
        while (wait := await self._window.take(call, tokens)) > 0:
            # Not all waiting calls should try at the same moment.
            wait *= 1 + random.random() * _JITTER  # noqa: S311 - not a secret
            if waited + wait > within / 2:
                raise RateLimitedError(
                    "the limit of requests or tokens a minute is used up "
                    "(NTBRIDGE_WORKER_OPENAI__REQUESTS_PER_MINUTE, __TOKENS_PER_MINUTE)",
                    seconds=wait,
                )
            _log.info("waiting for the limit of the language model", seconds=round(wait, 1))
            await self._sleep(wait)
            waited += wait
        return waited

    def _key(self, system: str, user: str) -> str:
        asked = json.dumps([dict(self._parameters), system, user], sort_keys=True)
        return hashlib.sha256(asked.encode()).hexdigest()
