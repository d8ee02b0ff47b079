"""`start` on a real Temporal."""

from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkerDeploymentConfig

from bridge.operations.calls import CallError
from bridge.temporal import Gateway
from tests.integration.operations.tally import Tally, continued
from tests.support.operations import carry_out, dispatch_of, event_of
from tests.support.waiting import eventually

SERVED = pytest.mark.usefixtures("worker")


async def test_every_option_reaches_the_run(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    event = event_of({"tenant": "acme", "n": 2**60}, subject="order 7")
    spec = {
        "workflow": "Tally",
        "task_queue": task_queue,
        "id": "'tally/' + event.uid",
        "input": "[data.n]",
        "execution_timeout": "1h30m",
        "run_timeout": "30m",
        "task_timeout": "5s",
        "start_delay": 90,
        "retry_policy": {
            "initial_interval": "2s",
            "backoff_coefficient": 3,
            "maximum_interval": "1m",
            "maximum_attempts": 4,
            "non_retryable_error_types": ["Broken"],
        },
        "priority_key": 2,
        "fairness_key": "data.tenant",
        "fairness_weight": 1.5,
        "memo": {"tenant": "data.tenant"},
        "search_attributes": {"Phase": "'for ' + data.tenant"},
        "static_summary": "an order",
        "static_details": "of *the* shop",
        "versioning_override": "auto-upgrade",
    }
    dispatch = dispatch_of({"start": spec}, event)

    outcome = await carry_out(gateway, dispatch, event)

    handle = client.get_workflow_handle(f"tally/{event.uid}", run_id=outcome.run_id)
    run = await handle.describe()
    assert await run.memo_value("tenant") == "acme"
    assert (await run.memo_value("ce"))["subject"] == "order 7"
    assert (await run.memo_value("bridge"))["route"] == "ship"
    attributes = {pair.key.name: pair.value for pair in run.typed_search_attributes}
    assert attributes == {
        "BridgeRoute": "ship",
        "EventUid": str(event.uid),
        "EventType": "com.example.placed",
        "CorrelationId": "c-1",
        "Phase": "for acme",
        "TemporalWorkflowVersioningBehavior": "AutoUpgrade",
    }
    assert await run.static_summary() == "an order"
    assert await run.static_details() == "of *the* shop"
    started = (await handle.fetch_history()).events[0]
    assert started.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED
    told = started.workflow_execution_started_event_attributes
    assert told.input.payloads[0].data == f"[{2**60}]".encode()
    assert told.workflow_execution_timeout.ToTimedelta() == timedelta(hours=1, minutes=30)
    assert told.workflow_run_timeout.ToTimedelta() == timedelta(minutes=30)
    assert told.workflow_task_timeout.ToTimedelta() == timedelta(seconds=5)
    assert told.first_workflow_task_backoff.ToTimedelta() == timedelta(seconds=90)
    assert told.retry_policy.maximum_attempts == 4
    assert told.retry_policy.backoff_coefficient == 3
    assert list(told.retry_policy.non_retryable_error_types) == ["Broken"]
    assert (told.priority.priority_key, told.priority.fairness_key) == (2, "acme")
    assert told.priority.fairness_weight == 1.5
    assert told.versioning_override.auto_upgrade
    await handle.terminate()


async def test_a_run_is_pinned_to_a_version_of_its_workers(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    version = WorkerDeploymentVersion(deployment_name=f"shop-{task_queue}", build_id="7")
    event = event_of()
    spec = {
        "workflow": "Tally",
        "task_queue": task_queue,
        "versioning_override": {
            "deployment_name": version.deployment_name,
            "build_id": version.build_id,
        },
    }
    dispatch = dispatch_of({"start": spec}, event)
    assert (await carry_out(gateway, dispatch, event)).code == "environment", "not there yet"
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[Tally],
        workflow_runner=UnsandboxedWorkflowRunner(),
        deployment_config=WorkerDeploymentConfig(
            version=version,
            use_worker_versioning=True,
            default_versioning_behavior=VersioningBehavior.AUTO_UPGRADE,
        ),
    ):

        async def started() -> bool:
            return (await carry_out(gateway, dispatch, event)).state == "done"

        await eventually(started, within=30, what="the version at the task queue")
        handle = client.get_workflow_handle(dispatch.target)
        first = (await handle.fetch_history()).events[0]
        told = first.workflow_execution_started_event_attributes.versioning_override
        assert told.pinned.version.build_id == version.build_id
        assert told.pinned.version.deployment_name == version.deployment_name
        await handle.terminate()


async def test_a_repeat_finds_the_run_open_or_closed(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    event = event_of()
    dispatch = dispatch_of({"start": {"workflow": "Tally", "task_queue": task_queue}}, event)
    first = await carry_out(gateway, dispatch, event)
    again = await carry_out(gateway, dispatch, event)
    await client.get_workflow_handle(dispatch.target).terminate()
    closed = await carry_out(gateway, dispatch, event)
    assert (first.state, first) == ("done", again)
    assert closed == first


async def test_a_new_generation_of_a_start_is_a_duplicate(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    event = event_of()
    route = {"start": {"workflow": "Tally", "task_queue": task_queue}}
    first = await carry_out(gateway, dispatch_of(route, event), event)
    second = await carry_out(gateway, dispatch_of(route, event, generation=2), event)
    assert (second.state, second.run_id) == ("duplicate", first.run_id)
    await client.get_workflow_handle(dispatch_of(route, event).target).terminate()


@SERVED
async def test_a_repeat_after_continue_as_new_is_a_duplicate(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    event = event_of()
    dispatch = dispatch_of({"start": {"workflow": "Tally", "task_queue": task_queue}}, event)
    first = await carry_out(gateway, dispatch, event)
    handle = client.get_workflow_handle(dispatch.target)
    await handle.signal("again")
    await continued(client, dispatch.target, first.run_id)
    again = await carry_out(gateway, dispatch, event)
    assert again.state == "duplicate"
    assert again.run_id != first.run_id
    await handle.terminate()


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
async def test_an_id_that_anothers_run_holds_is_a_collision(
    *, is_open: bool, gateway: Gateway, client: Client, task_queue: str
) -> None:
    holder = await client.start_workflow("Tally", id=f"taken/{uuid4()}", task_queue=task_queue)
    if not is_open:
        await holder.terminate()
    event = event_of({"id": holder.id})
    spec = {"workflow": "Tally", "task_queue": task_queue, "id": "data.id"}
    outcome = await carry_out(gateway, dispatch_of({"start": spec}, event), event)
    assert (outcome.state, outcome.run_id) == ("collision", holder.first_execution_run_id)
    assert holder.id in (outcome.error or "")
    if is_open:
        await holder.terminate()


async def test_a_route_may_join_end_or_follow_anothers_run(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    holder = await client.start_workflow("Tally", id=f"shared/{uuid4()}", task_queue=task_queue)
    event = event_of({"id": holder.id})
    spec = {"workflow": "Tally", "task_queue": task_queue, "id": "data.id"}

    joins = dispatch_of({"start": {**spec, "id_conflict_policy": "use-existing"}}, event)
    joined = await carry_out(gateway, joins, event)
    assert (joined.state, joined.code) == ("done", "joined")
    assert joined.run_id == holder.first_execution_run_id

    policies = {
        "id_reuse_policy": "allow-duplicate",
        "id_conflict_policy": "terminate-existing",
    }
    ends = dispatch_of({"start": {**spec, **policies}}, event, route="ends")
    ended = await carry_out(gateway, ends, event)
    assert (await carry_out(gateway, ends, event)).run_id == ended.run_id != joined.run_id
    await client.get_workflow_handle(holder.id).terminate()

    follows = dispatch_of(
        {"start": {**spec, "id_reuse_policy": "allow-duplicate"}}, event, route="follows"
    )
    followed = await carry_out(gateway, follows, event)
    assert (await carry_out(gateway, follows, event)).run_id == followed.run_id != ended.run_id
    await client.get_workflow_handle(holder.id).terminate()


@pytest.mark.slow
async def test_a_start_is_repeated_for_as_long_as_temporal_remembers_its_run(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    event = event_of({})
    spec = {"workflow": "Tally", "task_queue": task_queue, "id": "'tally/' + event.uid"}
    dispatch = dispatch_of({"start": spec}, event)
    first = await carry_out(gateway, dispatch, event)
    await gateway.terminate(dispatch.target, first.run_id or "", "test")
    # Killed before it was settled: the closed run answers for it.
    assert await carry_out(gateway, dispatch, event) == first

    # The boundary: what Temporal has forgotten cannot answer.
    await client.workflow_service.delete_workflow_execution(
        DeleteWorkflowExecutionRequest(
            namespace="default",
            workflow_execution=WorkflowExecution(
                workflow_id=dispatch.target, run_id=first.run_id or ""
            ),
        )
    )

    async def forgotten() -> bool:
        try:
            await gateway.describe(dispatch.target)
        except CallError as error:
            return error.target_gone
        return False

    await eventually(forgotten, within=60, what="the run is deleted")
    again = await carry_out(gateway, dispatch, event)
    assert (again.state, again.run_id == first.run_id) == ("done", False)
    run = await gateway.describe(dispatch.target)
    assert (run.event_uid, run.route) == (str(event.uid), "ship")
    await gateway.terminate(dispatch.target, again.run_id or "", "test")
