"""`update` on a real Temporal: what the workflow answers, and when it does not."""

from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from bridge.devstack.addresses import Addresses
from bridge.settings.schema import TemporalSettings
from bridge.temporal import Gateway, connect
from tests.integration.operations.tally import Tally, start
from tests.support.operations import carry_out, dispatch_of, event_of

SERVED = pytest.mark.usefixtures("worker")

STAGES = pytest.mark.parametrize("stage", ["accepted", "completed"])


def update(**changes: Any) -> dict[str, Any]:
    return {"update": {"update": "change", "workflow_id": "data.id", **changes}}


@STAGES
@SERVED
async def test_an_update_takes_effect_once_also_when_repeated_after_the_close(
    stage: str, gateway: Gateway, client: Client, task_queue: str
) -> None:
    target = await start(client, task_queue, f"order/{uuid4()}")
    event = event_of({"id": target.id})
    dispatch = dispatch_of(update(wait_stage=stage), event)
    outcomes = [await carry_out(gateway, dispatch, event) for _ in range(2)]
    await target.signal("finish")
    got = await target.result()
    outcomes.append(await carry_out(gateway, dispatch, event))
    assert [each.state for each in outcomes] == ["done"] * 3
    assert {each.run_id for each in outcomes} == {target.first_execution_run_id}
    assert [each["bridgerequest"] for each in got if each] == [str(dispatch.request_id)]


@STAGES
@pytest.mark.parametrize(
    ("changes", "data", "message"),
    [
        ({}, {"bad": True}, "the validator says no"),
        ({"update": "no such update"}, {}, "no such update"),
        ({"argument": "[1]", "bare": True}, {}, "Failed decoding arguments"),
    ],
    ids=["validator", "unknown update", "unreadable argument"],
)
@SERVED
async def test_a_rejection_is_final_and_says_why(
    stage: str,
    changes: dict[str, Any],
    data: dict[str, Any],
    message: str,
    gateway: Gateway,
    client: Client,
    task_queue: str,
) -> None:
    target = await start(client, task_queue, f"order/{uuid4()}")
    event = event_of({"id": target.id, **data})
    dispatch = dispatch_of(update(wait_stage=stage, **changes), event)
    outcome = await carry_out(gateway, dispatch, event)
    assert (outcome.state, outcome.code) == ("dead", "rejected")
    assert message in (outcome.error or "")
    await target.terminate()


@pytest.mark.parametrize(
    ("stage", "state", "code"),
    [("accepted", "done", None), ("completed", "dead", "update-failed")],
)
@SERVED
async def test_a_handler_that_fails_matters_to_those_who_wait_for_it(
    stage: str, state: str, code: str | None, gateway: Gateway, client: Client, task_queue: str
) -> None:
    target = await start(client, task_queue, f"order/{uuid4()}")
    event = event_of({"id": target.id, "fail": True})
    outcome = await carry_out(gateway, dispatch_of(update(wait_stage=stage), event), event)
    assert (outcome.state, outcome.code) == (state, code)
    await target.terminate()


@SERVED
async def test_a_handler_that_takes_long_is_asked_again_and_is_no_failure(
    stack: Addresses, client: Client, task_queue: str
) -> None:
    gateway = await connect(TemporalSettings(address=stack.temporal_address, call_timeout=2))
    target = await start(client, task_queue, f"order/{uuid4()}")
    event = event_of({"id": target.id, "slow": True})
    accepted = await carry_out(gateway, dispatch_of(update(), event), event)
    assert accepted.state == "done"
    dispatch = dispatch_of(update(wait_stage="completed"), event)
    running = await carry_out(gateway, dispatch, event)
    assert (running.state, running.code, running.error) == ("open", "accepted", None)
    assert running.pause > 0
    await target.signal("finish")
    await target.result()
    assert (await carry_out(gateway, dispatch, event)).state == "done"


async def test_without_a_worker_it_is_tried_again(
    stack: Addresses, client: Client, task_queue: str
) -> None:
    gateway = await connect(TemporalSettings(address=stack.temporal_address, call_timeout=1.5))
    target = await start(client, task_queue, f"order/{uuid4()}")
    event = event_of({"id": target.id})
    dispatch = dispatch_of(update(wait_stage="completed"), event)
    outcome = await carry_out(gateway, dispatch, event)
    assert (outcome.state, outcome.code) == ("open", "no-worker")
    assert "task queue" in (outcome.error or "")
    patient = await connect(TemporalSettings(address=stack.temporal_address))
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[Tally],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        assert (await carry_out(patient, dispatch, event)).state == "done"
        assert len(await target.query("tally")) == 1
    await target.terminate()


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "unknown"])
async def test_an_update_without_a_target(
    *, closed: bool, gateway: Gateway, client: Client, task_queue: str
) -> None:
    workflow_id = f"order/{uuid4()}"
    if closed:
        await (await start(client, task_queue, workflow_id)).terminate()
    event = event_of({"id": workflow_id})
    outcome = await carry_out(gateway, dispatch_of(update(when_missing="drop"), event), event)
    assert (outcome.state, outcome.code) == ("skipped", "target-closed")


@SERVED
async def test_an_update_too_large_never_reaches_the_workflow_it_would_block(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    target = await start(client, task_queue, f"order/{uuid4()}")
    event = event_of({"id": target.id, "x": "x" * 2_097_152})
    outcome = await carry_out(gateway, dispatch_of(update(), event), event)
    assert (outcome.state, outcome.code) == ("dead", "permanent")
    largest = event_of({"id": target.id, "x": "x" * 2_090_000})
    assert (await carry_out(gateway, dispatch_of(update(), largest), largest)).state == "done"
    assert await target.query("tally") != []
    await target.terminate()
