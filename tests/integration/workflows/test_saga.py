"""Sagas on a real Temporal: failures, cancellations, and what a run tells while it goes on."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.worker import Worker

from tests.integration.workflows.saga_scene import SagaScene, Scene, Told
from tests.support.waiting import eventually
from workflows.messages.phases import PhaseReport
from workflows.platform.phases import ATTRIBUTE
from workflows.worker.sandbox import sandbox

pytestmark = pytest.mark.slow

DONE = ["do one", "do two", "do three"]


@asynccontextmanager
async def running(
    client: Client, task_queue: str, scene: Scene
) -> AsyncIterator[WorkflowHandle[SagaScene, Told]]:
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[SagaScene],
        activities=[scene.do, scene.undo],
        workflow_runner=sandbox(),
        max_heartbeat_throttle_interval=timedelta(seconds=0.2),
    ):
        yield await client.start_workflow(
            SagaScene.run, id=f"saga/{uuid.uuid4()}", task_queue=task_queue
        )


@pytest.mark.parametrize(
    ("scene", "log", "undone", "left"),
    [
        (Scene(), DONE, [], []),
        (Scene(failing={"one"}), ["do one", "undo one"], ["undo one"], []),
        (
            Scene(failing={"three"}),
            [*DONE, "undo three", "undo two", "undo one"],
            ["undo three", "undo two", "undo one"],
            [],
        ),
        (
            Scene(failing={"three"}, unmendable={"two"}, flaky={"one"}),
            [*DONE, "undo three", *["undo two"] * 3, *["undo one"] * 2],
            ["undo three", "undo one"],
            ["undo two"],
        ),
    ],
    ids=["nothing", "first", "last", "compensations-fail"],
)
async def test_what_was_begun_is_undone_in_reverse(
    scene: Scene,
    log: list[str],
    undone: list[str],
    left: list[str],
    client: Client,
    task_queue: str,
) -> None:
    async with running(client, task_queue, scene) as handle:
        told = await handle.result()
    assert scene.log == log
    assert [each.what for each in told.report.undone] == undone
    assert [each.what for each in told.report.left_behind] == left
    assert all(
        (each.reason, each.error) == ("locked", "RuntimeError")
        for each in told.report.left_behind
    )


@pytest.mark.parametrize(
    "scene", [Scene(slow={"two"}), Scene(stubborn={"two"})], ids=["slow", "stubborn"]
)
async def test_a_cancelled_step_has_ended_before_it_is_undone(
    scene: Scene, client: Client, task_queue: str
) -> None:
    async with running(client, task_queue, scene) as handle:
        await scene.reached.wait()
        await handle.cancel()
        told = await handle.result()
    assert told.error == "Cancelled"
    assert scene.log == ["do one", "do two", "ended two", "undo two", "undo one"]


async def test_a_cancellation_does_not_disturb_undoing(client: Client, task_queue: str) -> None:
    scene = Scene(failing={"three"}, held={"two"})
    async with running(client, task_queue, scene) as handle:
        await scene.reached.wait()
        await handle.cancel()
        scene.release.set()
        told = await handle.result()
    assert told.error == "Refused"
    assert scene.log == [*DONE, "undo three", "undo two", "undo one"]
    assert len(told.report.undone) == 3


async def test_where_a_run_is_can_be_seen(client: Client, task_queue: str) -> None:
    scene = Scene(slow={"two"})
    async with running(client, task_queue, scene) as handle:
        await scene.reached.wait()
        report: PhaseReport = await handle.query("phases", result_type=PhaseReport)
        assert report.current == "two"
        states = [(phase.name, phase.state.value) for phase in report.phases]
        assert states == [("one", "done"), ("two", "running"), ("three", "ahead")]

        described = await handle.describe()
        assert described.typed_search_attributes.get(ATTRIBUTE) == "two"
        details = await handle.query("__temporal_workflow_metadata")
        assert "▶ **two**" in str(details)

        query = f"Phase = 'two' AND WorkflowId = '{handle.id}'"
        await eventually(lambda: listed(client, query), what="the run in the list")
        await handle.cancel()
        told = await handle.result()
    assert [phase.state.value for phase in told.phases.phases] == ["done", "running", "ahead"]


async def listed(client: Client, query: str) -> list[Any]:
    return [run.id async for run in client.list_workflows(query)]
