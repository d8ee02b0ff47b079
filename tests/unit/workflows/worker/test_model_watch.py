"""Readiness knows whether the language model answers, and asks it no more than needed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from bridge.runtime.findings import CheckState, Finding
from tests.support.waiting import eventually
from workflows.adapters.models.governed import GovernedModel
from workflows.adapters.openai.client import OpenAIClient
from workflows.errors import GatewayFailedError
from workflows.settings import OpenAISettings
from workflows.worker.model_watch import ModelWatch

SETTINGS = OpenAISettings(model="writer")


class Looks:
    """What each look finds, the last one again and again."""

    def __init__(self, *states: CheckState) -> None:
        self.states = list(states)
        self.count = 0

    async def __call__(self, _: OpenAISettings) -> Finding:
        self.count += 1
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return Finding("language model", state, f"look {self.count}")


def model() -> GovernedModel:
    return GovernedModel(
        OpenAIClient(SETTINGS), answers=None, window=None, parameters={}, seconds=1
    )


@asynccontextmanager
async def watching(looks: Looks, of: GovernedModel) -> AsyncIterator[ModelWatch]:
    watch = ModelWatch(SETTINGS, of, look=looks, every=0.01)
    assert watch.finding.state == "warning"
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_model_that_answers_is_asked_once() -> None:
    looks = Looks("ok")
    async with watching(looks, model()) as watch:
        await eventually(lambda: watch.finding.state == "ok")
        for _ in range(20):
            await asyncio.sleep(0.01)  # several turns of the watch
    assert looks.count == 1


async def test_a_model_that_does_not_answer_is_asked_until_it_does() -> None:
    looks = Looks("failed", "failed", "ok")
    async with watching(looks, model()) as watch:
        await eventually(lambda: watch.finding.state == "ok")
    assert looks.count == 3


async def test_a_failed_call_makes_the_watch_look() -> None:
    looks, of = Looks("ok", "failed", "ok"), model()
    async with watching(looks, of) as watch:
        await eventually(lambda: watch.finding.state == "ok")
        of.last_failure = GatewayFailedError("away")
        await eventually(lambda: looks.count == 3)
        await eventually(lambda: watch.finding.state == "ok")
    assert of.last_failure is None
