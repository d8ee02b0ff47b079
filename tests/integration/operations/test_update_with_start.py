"""`update_with_start` on a real Temporal: one run and one update, however often repeated."""

from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from bridge.devstack.addresses import Addresses
from bridge.operations.outcomes import Outcome
from bridge.settings.schema import TemporalSettings
from bridge.temporal import Gateway, connect
from eventstore.events import Event
from tests.integration.operations.tally import Tally, start
from tests.support.operations import carry_out, dispatch_of, event_of

SERVED = pytest.mark.usefixtures("worker")


def rule(task_queue: str, **changes: Any) -> dict[str, Any]:
    return {
        "update_with_start": {
            "workflow": "Tally",
            "task_queue": task_queue,
            "workflow_id": "data.id",
            "input": "[]",
            "update": "change",
            **changes,
        }
    }


async def tried(gateway: Gateway, task_queue: str, event: Event, **changes: Any) -> Outcome:
    return await carry_out(gateway, dispatch_of(rule(task_queue, **changes), event), event)


async def ended(client: Client, workflow_id: str) -> list[Any]:
    """Let the run end; return what had reached it before."""
    handle = client.get_workflow_handle(workflow_id)
    await handle.signal("finish")
    found: list[Any] = await handle.result()
    return found[:-1]


@pytest.mark.parametrize("stage", ["accepted", "completed"])
@SERVED
async def test_it_starts_one_run_and_updates_it_once_also_after_the_close(
    stage: str, gateway: Gateway, client: Client, task_queue: str
) -> None:
    event = event_of({"id": f"order/{uuid4()}"})
    dispatch = dispatch_of(rule(task_queue, wait_stage=stage), event)
    workflow_id = dispatch.target
    outcomes = [await carry_out(gateway, dispatch, event) for _ in range(3)]
    run = await client.get_workflow_handle(workflow_id).describe()
    assert (await run.memo_value("bridge"))["uid"] == str(event.uid)
    assert outcomes == [Outcome(state="done", run_id=run.run_id, closure="full")] * 3

    other = event_of({"id": workflow_id})
    assert await tried(gateway, task_queue, other, wait_stage=stage) == outcomes[0]
    got = await ended(client, workflow_id)
    assert [each["id"] for each in got] == [event.id, other.id]
    # A repeat finds the answer in the closed run.
    assert await carry_out(gateway, dispatch, event) == outcomes[0]
    assert (await client.get_workflow_handle(workflow_id).describe()).run_id == run.run_id


@SERVED
async def test_a_closed_run_of_another_is_followed_or_is_a_collision(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    target = await start(client, task_queue, f"order/{uuid4()}")
    await target.terminate()
    event = event_of({"id": target.id})
    refused = await tried(gateway, task_queue, event, id_reuse_policy="reject-duplicate")
    assert (refused.state, refused.code) == ("collision", "collision")
    started = await tried(gateway, task_queue, event)
    assert started.state == "done"
    assert started.run_id != target.first_execution_run_id
    assert len(await ended(client, target.id)) == 1


@SERVED
async def test_a_run_that_it_started_and_that_refused_it_has_a_closure_event(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    event = event_of({"id": f"order/{uuid4()}", "bad": True})
    outcome = await tried(gateway, task_queue, event)
    assert (outcome.state, outcome.code, outcome.closure) == ("dead", "rejected", "full")
    assert "the validator says no" in (outcome.error or "")
    assert outcome.run_id is not None
    assert await ended(client, dispatch_of(rule(task_queue), event).target) == []


async def test_a_run_that_closed_before_it_took_the_update_is_not_started_again(
    stack: Addresses, client: Client, task_queue: str
) -> None:
    gateway = await connect(TemporalSettings(address=stack.temporal_address, call_timeout=1.5))
    event = event_of({"id": f"order/{uuid4()}"})
    dispatch = dispatch_of(rule(task_queue), event)
    waiting = await carry_out(gateway, dispatch, event)
    assert waiting.state == "open"
    run = await client.get_workflow_handle(dispatch.target).describe()
    await client.get_workflow_handle(dispatch.target).terminate()
    gone = await carry_out(gateway, dispatch, event)
    assert (gone.state, gone.code, gone.run_id) == ("dead", "target-closed", run.run_id)
    assert "closed before it took the update" in (gone.error or "")


async def test_without_a_worker_it_is_tried_again_and_takes_effect_once(
    stack: Addresses, client: Client, task_queue: str
) -> None:
    gateway = await connect(TemporalSettings(address=stack.temporal_address, call_timeout=1.5))
    event = event_of({"id": f"order/{uuid4()}"})
    dispatch = dispatch_of(rule(task_queue), event)
    for _ in range(2):
        outcome = await carry_out(gateway, dispatch, event)
        assert outcome.state == "open"
    patient = await connect(TemporalSettings(address=stack.temporal_address))
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[Tally],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        assert (await carry_out(patient, dispatch, event)).state == "done"
        assert len(await ended(client, dispatch.target)) == 1


@SERVED
async def test_what_is_too_large_starts_nothing(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    event = event_of({"id": f"order/{uuid4()}", "x": "x" * 2_097_152})
    outcome = await tried(gateway, task_queue, event)
    assert (outcome.state, outcome.code) == ("dead", "permanent")
    assert [each async for each in client.list_workflows(f"WorkflowId = '{event.id}'")] == []
