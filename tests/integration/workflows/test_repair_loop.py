"""What checks and tests find goes back to the model, until the code passes its tests."""

import asyncio
import json
import uuid
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError
from typing_extensions import override

from eventstore.store import EventStore
from tests.integration.workflows.ten_prompts import TEN, Ordinary, OrdinaryModel
from tests.replay.branches import (
    GOOD,
    SLOPPY,
    THREE_ROUNDS,
    WITH_TESTS,
    LearningGateway,
    worker,
)
from tests.support.stand_in_llm import stand_in
from workflows.adapters.containment import Containment
from workflows.adapters.openai.client import OpenAIClient
from workflows.adapters.openai.gateway import OpenAIGateway
from workflows.adapters.openai.suites import OpenAISuites
from workflows.adapters.suites.judge import SuiteJudge
from workflows.adapters.suites.pytest_runner import PytestRunner
from workflows.adapters.suites.tester import SuiteTester
from workflows.messages.code_generation import GeneratedCode, InformedPrompt
from workflows.settings import OpenAISettings

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


async def run(client: Client, task_queue: str, prompt: str) -> tuple[str, Any]:
    """Run the pipeline for a prompt; return its workflow id, and its result or failure."""
    handle = await client.start_workflow(
        "CodeGenerationWorkflow",
        {"prompt": prompt},
        id=f"repair/{uuid.uuid4()}",
        task_queue=task_queue,
    )
    try:
        return handle.id, await handle.result()
    except WorkflowFailureError as error:
        return handle.id, error.cause


async def told(store: EventStore, workflow_id: str) -> list[tuple[str, Any]]:
    return [
        (str(stored.topic).rpartition(".")[2], json.loads(stored.event.data or b"null"))
        async for stored in store.read_stream(f"run-{workflow_id}")
    ]


async def test_nine_of_ten_ordinary_prompts_are_completed_and_the_tenth_fails_with_its_rounds(
    client: Client, store: EventStore, task_queue: str
) -> None:
    async with stand_in(OrdinaryModel()) as server:
        model = OpenAIClient(OpenAISettings(base_url=server.url, model="ordinary"))
        runner = PytestRunner(Containment())
        async with worker(
            client,
            task_queue,
            store,
            OpenAIGateway(model),
            suites=OpenAISuites(model),
            tester=SuiteTester(SuiteJudge(runner)),
            rules=WITH_TESTS,
        ):
            ended = await asyncio.gather(
                *(run(client, task_queue, each.prompt) for each in TEN)
            )
    completed = [
        (asked, result)
        for asked, (_, result) in zip(TEN, ended, strict=True)
        if isinstance(result, dict)
    ]
    assert [asked for asked, _ in completed] == list(TEN[:9]), ended
    for asked, result in completed:
        check(asked, result)

    workflow_id, failure = ended[9]
    assert (failure.type, failure.non_retryable) == ("CodeRejectedError", True)
    events = await told(store, workflow_id)
    assert [name for name, _ in events].count("code-rejected") == 2
    name, closing = events[-1]
    assert name == "failed"
    assert closing["reason"] == failure.message
    assert [each["number"] for each in closing["rounds"]] == [1, 2, 3]
    for each in closing["rounds"]:
        assert f"Round {each['number']}: tests failed" in closing["reason"]
        assert "easter" in each["code"]
        assert "assert 11 == 110" in each["findings"][0]["message"]


def check(asked: Ordinary, result: Any) -> None:
    """Check that a result says what was checked, and that its code does what was asked."""
    assert result["checked"] == ["compile", "ruff", "tests"], asked.prompt
    assert result["validation"]["suite"]["outcome"] == "passed"
    assert len(result["rounds"]) == asked.rounds, (asked.prompt, result["rounds"])
    made: dict[str, Any] = {}
    exec(result["code"], made)
    assert asked.holds(made), asked.prompt
    assert "import os" not in result["code"]


class Lingering(LearningGateway):
    """Never answers what is sent back to it; ``lingers`` is set when it was."""

    def __init__(self) -> None:
        super().__init__()
        self.lingers = asyncio.Event()

    @override
    async def generate_code(self, prompt: InformedPrompt) -> GeneratedCode:
        if prompt.rejected is not None:
            self.lingers.set()
            await asyncio.Event().wait()
        return await super().generate_code(prompt)


async def test_the_rounds_before_the_one_under_way_survive_their_worker(
    client: Client, store: EventStore, task_queue: str
) -> None:
    first, second = Lingering(), LearningGateway()
    running = asyncio.create_task(run(client, task_queue, "Act"))
    async with worker(client, task_queue, store, first, rules=THREE_ROUNDS):
        await first.lingers.wait()
    async with worker(client, task_queue, store, second, rules=THREE_ROUNDS):
        workflow_id, result = await running
    assert result["code"] == GOOD
    [earlier] = result["rounds"]
    assert (earlier["number"], earlier["code"]) == (1, SLOPPY)
    assert earlier["findings"][0]["rule"] == "F821"
    [asked] = second.asked
    assert asked.rejected is not None
    assert asked.rejected.code == SLOPPY
    names = [name for name, _ in await told(store, workflow_id)]
    assert names.count("code-rejected") == 1


async def test_code_in_another_language_is_written_and_not_called_checked(
    client: Client, store: EventStore, task_queue: str
) -> None:
    async with worker(client, task_queue, store, LearningGateway(), rules=WITH_TESTS):
        result: Any = await client.execute_workflow(
            "CodeGenerationWorkflow",
            {"prompt": "Act", "language": "Rust"},
            id=f"repair/{uuid.uuid4()}",
            task_queue=task_queue,
        )
    assert (result["language"], result["checked"]) == ("rust", [])
    assert result["validation"]["findings"] == []
