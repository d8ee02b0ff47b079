"""Whether the language model of a worker answers, for its readiness."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from bridge.runtime.findings import Finding
from workflows.adapters.models.governed import GovernedModel
from workflows.adapters.openai.check import CHECK, look_at_model
from workflows.settings import OpenAISettings

_EVERY_SECONDS = 30.0

_log = structlog.get_logger(__name__)

Look = Callable[[OpenAISettings], Awaitable[Finding]]


class ModelWatch:
    """Asks the model once at the start, and again only while something is wrong.

    Answers cost time and money: while the calls of the worker succeed, they are proof enough.

    Args:
        settings: The server and the model.
        model: The model that the activities ask.
        look: Asks it for an answer.
        every: Seconds between two looks.
    """

    def __init__(
        self,
        settings: OpenAISettings,
        model: GovernedModel,
        *,
        look: Look = look_at_model,
        every: float = _EVERY_SECONDS,
    ) -> None:
        self._settings = settings
        self._model = model
        self._look = look
        self._every = every
        self.finding = Finding(
            CHECK, "warning", f"{settings.base_url} was asked, no answer yet"
        )
        """The result of the last look."""

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            if self.finding.state != "ok" or self._model.last_failure is not None:
                self._show(await self._look(self._settings))
            await asyncio.sleep(self._every)

    def _show(self, found: Finding) -> None:
        changed = found.state != self.finding.state
        self.finding = found
        if found.state != "failed":
            self._model.last_failure = None
        if not changed:
            return
        if found.state == "ok":
            _log.info("the language model answers", detail=found.detail)
        else:
            _log.warning(
                "the language model is not ready", detail=found.detail, to_do=found.to_do
            )
