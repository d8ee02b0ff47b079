"""What checks and tests find goes back to the model, until the code passes its tests."""

import asyncio
import json
import signal
import uuid
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, WorkflowFailureError

from eventstore.store import EventStore
from tests.integration.workflows.ten_prompts import TEN, Ordinary, OrdinaryModel
from tests.replay.adapters import GOOD, SLOPPY, TESTS, LearningGateway
from tests.replay.branches import WITH_TESTS, worker
from tests.support.stand_in_llm import Exchange, stalls, stand_in, streams
from tests.support.worker_process import worker_process
from workflows.adapters.containment import Containment
from workflows.adapters.openai.client import OpenAIClient
from workflows.adapters.openai.gateway import OpenAIGateway
from workflows.adapters.openai.suites import OpenAISuites
from workflows.adapters.suites.judge import SuiteJudge
from workflows.adapters.suites.pytest_runner import PytestRunner
from workflows.adapters.suites.tester import SuiteTester
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


async def test_a_killed_worker_loses_no_round_of_a_repair(
    client: Client, store: EventStore, flags: dict[str, str], tmp_path: Path
) -> None:
    workflow_id = f"run-{uuid.uuid4()}"
    stuck, killed = asyncio.Event(), asyncio.Event()
    sent_back: list[str] = []

    async def model(exchange: Exchange) -> None:
        system, user = (message["content"] for message in exchange.body["messages"])
        if system.startswith("You write tests"):
            await streams(TESTS)(exchange)
        elif "does not pass" not in user:
            await streams(SLOPPY)(exchange)
        elif killed.is_set():
            sent_back.append(user)
            await streams(GOOD)(exchange)
        else:
            stuck.set()
            await stalls(exchange)

    async with stand_in(model) as server:
        env = {
            "NTBRIDGE_WORKER_QAGENT__GATEWAY": "openai",
            "NTBRIDGE_WORKER_OPENAI__BASE_URL": server.url,
            "NTBRIDGE_WORKER_OPENAI__MODEL": "stand-in",
        }
        async with worker_process(tmp_path / "first", env, **flags) as worker:
            await worker.ready()
            handle = await client.start_workflow(
                "CodeGenerationWorkflow",
                {"prompt": "Act"},
                id=workflow_id,
                task_queue=flags["task_queue"],
            )
            await stuck.wait()
            await worker.stop(signal.SIGKILL)
        killed.set()
        async with worker_process(tmp_path / "second", env, **flags) as worker:
            await worker.ready()
            result = await handle.result()
            assert (await worker.stop())[0] == 0
    assert result["code"] == GOOD
    assert [(each["number"], each["code"]) for each in result["rounds"]] == [(1, SLOPPY)]
    assert "tests" in result["checked"]
    [asked] = sent_back
    assert SLOPPY.strip() in asked
    assert [name for name, _ in await told(store, workflow_id)] == [
        *("prompt-parsed", "code-generated", "code-rejected", "code-generated"),
        *("code-validated", "fingerprint-recorded", "completed", "sealed"),
    ]


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
