"""`cancel` and `terminate` on a real Temporal: the intended execution, and no other."""

from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError

from bridge.operations.base import Dispatch
from bridge.operations.outcomes import Outcome
from bridge.temporal import Gateway
from eventstore.events import Event
from tests.integration.operations.tally import continued, start
from tests.support.operations import carry_out, dispatch_of, event_of

SERVED = pytest.mark.usefixtures("worker")

BOTH = pytest.mark.parametrize("operation", ["cancel", "terminate"])
ENDED = {
    "cancel": WorkflowExecutionStatus.CANCELED,
    "terminate": WorkflowExecutionStatus.TERMINATED,
}


def ending(operation: str, **changes: Any) -> dict[str, Any]:
    return {operation: {"workflow_id": "data.id", **changes}}


async def resolved(gateway: Gateway, dispatch: Dispatch, event: Event) -> Dispatch:
    """The dispatch as the ledger gives it out again once its run is resolved and stored."""
    outcome = await carry_out(gateway, dispatch, event)
    assert outcome == Outcome(state="open", code="resolved", run_id=outcome.run_id)
    assert outcome.run_id
    return replace(dispatch, run_id=outcome.run_id)


async def status(client: Client, workflow_id: str) -> WorkflowExecutionStatus | None:
    return (await client.get_workflow_handle(workflow_id).describe()).status


@BOTH
@SERVED
async def test_the_run_is_resolved_first_and_ended_then(
    operation: str, gateway: Gateway, client: Client, task_queue: str
) -> None:
    target = await start(client, task_queue, f"infra/{uuid4()}")
    event = event_of({"id": target.id})
    dispatch = await resolved(gateway, dispatch_of(ending(operation), event), event)
    assert dispatch.run_id == target.first_execution_run_id
    assert await status(client, target.id) == WorkflowExecutionStatus.RUNNING

    first = await carry_out(gateway, dispatch, event)
    with pytest.raises(WorkflowFailureError) as ended:
        await target.result()
    repeat = await carry_out(gateway, dispatch, event)

    assert (first.state, repeat.state) == ("done", "done")
    assert await status(client, target.id) == ENDED[operation]
    if operation == "terminate":
        assert str(event.uid) in str(ended.value.cause)


@BOTH
@SERVED
async def test_an_execution_that_continued_as_new_is_still_the_one(
    operation: str, gateway: Gateway, client: Client, task_queue: str
) -> None:
    target = await start(client, task_queue, f"infra/{uuid4()}")
    event = event_of({"id": target.id, "run": target.first_execution_run_id})
    dispatch = await resolved(gateway, dispatch_of(ending(operation), event), event)
    await target.signal("again")
    await continued(client, target.id, target.first_execution_run_id)
    by_run = dispatch_of(ending(operation, run_id="data.run"), event)
    assert await resolved(gateway, by_run, event) == replace(by_run, run_id=dispatch.run_id)

    assert (await carry_out(gateway, dispatch, event)).state == "done"
    with pytest.raises(WorkflowFailureError):
        await client.get_workflow_handle(target.id).result()
    assert await status(client, target.id) == ENDED[operation]


@BOTH
@pytest.mark.parametrize("replaced", [True, False])
@SERVED
async def test_an_execution_that_closed_meanwhile_is_a_closed_target(
    operation: str, *, replaced: bool, gateway: Gateway, client: Client, task_queue: str
) -> None:
    target = await start(client, task_queue, f"infra/{uuid4()}")
    event = event_of({"id": target.id})
    dispatch = await resolved(
        gateway, dispatch_of(ending(operation, when_missing="drop"), event), event
    )
    await target.signal("finish")
    await target.result()
    if replaced:
        await start(client, task_queue, target.id)
    outcome = await carry_out(gateway, dispatch, event)
    assert (outcome.state, outcome.code) == ("skipped", "target-closed")
    if replaced:
        assert await status(client, target.id) == WorkflowExecutionStatus.RUNNING
        await client.get_workflow_handle(target.id).terminate()


@BOTH
@SERVED
async def test_a_repeat_ends_no_other_execution_of_the_same_workflow_id(
    operation: str, gateway: Gateway, client: Client, task_queue: str
) -> None:
    target = await start(client, task_queue, f"infra/{uuid4()}")
    event = event_of({"id": target.id})
    dispatch = await resolved(gateway, dispatch_of(ending(operation), event), event)
    await carry_out(gateway, dispatch, event)
    with pytest.raises(WorkflowFailureError):
        await target.result()
    successor = await start(client, task_queue, target.id)
    assert (await carry_out(gateway, dispatch, event)).state == "done"
    assert await status(client, target.id) == WorkflowExecutionStatus.RUNNING
    await successor.terminate()


@BOTH
@pytest.mark.parametrize("closed", [True, False], ids=["closed", "unknown"])
@pytest.mark.parametrize(
    ("when_missing", "state"),
    [("dead-letter", "dead"), ("drop", "skipped"), ("wait", "waiting")],
)
async def test_what_becomes_of_it_without_a_target(
    operation: str,
    *,
    closed: bool,
    when_missing: str,
    state: str,
    gateway: Gateway,
    client: Client,
    task_queue: str,
) -> None:
    workflow_id = f"infra/{uuid4()}"
    if closed:
        await (await start(client, task_queue, workflow_id)).terminate()
    event = event_of({"id": workflow_id})
    dispatch = dispatch_of(ending(operation, when_missing=when_missing), event)
    outcome = await carry_out(gateway, dispatch, event)
    assert (outcome.state, outcome.code) == (state, "target-closed")
    assert outcome.run_id is None
    if state == "waiting":
        await start(client, task_queue, workflow_id)
        await resolved(gateway, dispatch, event)
        await client.get_workflow_handle(workflow_id).terminate()
