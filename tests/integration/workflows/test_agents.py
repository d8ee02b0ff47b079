"""QAgent, QTest and QSecure on a real Temporal: what their adapters do reaches the workflow."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import cast

import pytest
from temporalio.client import Client, WorkflowFailureError
from temporalio.worker import Worker

from eventstore.database import Database
from eventstore.store import EventStore
from tests.integration.workflows.suite_scene import Code, Judged, SuiteScene
from tests.replay.branches import worker
from tests.support.stand_in_llm import Exchange, refuses, stalls, stand_in, streams
from workflows.adapters.openai.client import OpenAIClient
from workflows.adapters.openai.gateway import OpenAIGateway
from workflows.adapters.patterns.lexical import LexicalEmbeddings
from workflows.adapters.patterns.postgres import PostgresPatterns
from workflows.config import WorkerSettings
from workflows.messages.patterns import AcceptedCode
from workflows.messages.suites import SuiteOutcome
from workflows.modules.builders import build_qsecure, build_qtest
from workflows.modules.module import WorkerResources
from workflows.settings import OpenAISettings
from workflows.worker.sandbox import sandbox

pytestmark = pytest.mark.slow

CODE = "def halve(number: int) -> float:\n    return number / 2\n"


@pytest.fixture
async def patterns(migrated_database_url: str) -> AsyncIterator[PostgresPatterns]:
    database = await Database.connect(migrated_database_url)
    yield PostgresPatterns(database, LexicalEmbeddings())
    await database.close()


async def test_a_language_model_is_shown_patterns_and_waited_for_and_teaches_nothing_untested(
    client: Client, store: EventStore, task_queue: str, patterns: PostgresPatterns
) -> None:
    earlier = AcceptedCode(
        key="k", prompt="Double a number", code="def double(n): ...", language="python"
    )
    await patterns.learn(earlier)
    times: list[float] = []

    async def limited(exchange: Exchange) -> None:
        times.append(asyncio.get_running_loop().time())
        await refuses("429 Too Many Requests", Retry_After="3")(exchange)

    async def answers(exchange: Exchange) -> None:
        times.append(asyncio.get_running_loop().time())
        await streams("```python\n", CODE, "```")(exchange)

    async with stand_in(limited, answers) as server:
        settings = OpenAISettings(base_url=server.url, model="writer")
        gateway = OpenAIGateway(OpenAIClient(settings))
        async with worker(client, task_queue, store, gateway, patterns=patterns):
            result = await client.execute_workflow(
                "CodeGenerationWorkflow",
                {"prompt": "Halve a number"},
                id=f"agents/{uuid.uuid4()}",
                task_queue=task_queue,
                result_type=dict,
            )
    assert (result["code"], result["model"]) == (CODE, "stand-in-1")
    assert times[1] - times[0] >= 3, "our own policy would have tried again after one second"
    assert "def double" in server.exchanges[1].body["messages"][1]["content"]
    found = await patterns.similar("Halve a number", language="python", limit=5)
    assert [pattern.prompt for pattern in found] == ["Double a number"], "no test ran"
    assert result["checked"] == ["compile", "ruff"]


async def test_a_language_model_that_stalls_is_left_when_the_run_is_cancelled(
    client: Client, store: EventStore, task_queue: str
) -> None:
    async with stand_in(stalls) as server:
        settings = OpenAISettings(base_url=server.url, model="writer")
        async with worker(client, task_queue, store, OpenAIGateway(OpenAIClient(settings))):
            handle = await client.start_workflow(
                "CodeGenerationWorkflow",
                {"prompt": "Halve a number"},
                id=f"agents/{uuid.uuid4()}",
                task_queue=task_queue,
            )
            await server.asked.wait()
            await handle.cancel()
            with pytest.raises(WorkflowFailureError):
                await handle.result()
            async with asyncio.timeout(20):
                await server.exchanges[0].ended.wait()
    assert len(server.exchanges) == 1


TESTS = "from generated import *\n\ndef test_act():\n    assert act() is None\n"
HOSTILE = {
    "loops": ("def act():\n    while True: pass\n", SuiteOutcome.TIMED_OUT),
    "forks": (
        "import os, time\ndef act():\n    while os.fork(): pass\n    time.sleep(1000)\n",
        SuiteOutcome.FAILED,
    ),
    "prints": (
        "def act():\n    for _ in range(1000): print('x' * 10**6)\n",
        SuiteOutcome.KILLED,
    ),
}


async def test_hostile_code_is_contained_and_the_worker_lives(
    client: Client,
    task_queue: str,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("NTBRIDGE_WORKER_QTEST__SECONDS", "12")
    monkeypatch.setenv("NTBRIDGE_WORKER_QTEST__MEMORY", "512MiB")
    monkeypatch.setenv("NTBRIDGE_WORKER_QTEST__AT_ONCE", "4")
    monkeypatch.setenv("NTBRIDGE_WORKER_QTEST__FOLDER", str(tmp_path))
    resources = WorkerResources(
        settings=WorkerSettings.read({"database_url": "postgresql://localhost/nothing"}),
        database=cast("Database", None),
        store=cast("EventStore", None),
    )

    async def judged(code: str, tests: str | None = None) -> Judged:
        result: Judged = await client.execute_workflow(
            SuiteScene.run,
            Code(code=code, tests=tests),
            id=f"agents/{uuid.uuid4()}",
            task_queue=task_queue,
        )
        return result

    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[SuiteScene],
        activities=[*build_qtest(resources).activities, *build_qsecure(resources).activities],
        workflow_runner=sandbox(),
    ):
        results = await asyncio.gather(*(judged(code, TESTS) for code, _ in HOSTILE.values()))
        last = await judged(CODE)

    outcomes = {
        name: result.report.outcome for name, result in zip(HOSTILE, results, strict=True)
    }
    assert outcomes == {name: outcome for name, (_, outcome) in HOSTILE.items()}
    assert last.report.ok
    assert last.suite is not None
    assert last.suite.generator.startswith("hypothesis-ghostwriter/")
    assert last.report.covers_enough
    assert last.scan.critical == 0
    assert list(tmp_path.iterdir()) == []  # noqa: ASYNC240 - takes no time
    assert last.cleaned.removed == ()
