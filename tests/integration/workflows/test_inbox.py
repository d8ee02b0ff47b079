"""The event inbox on a real Temporal: what the bridge's gateway sends, a sandboxed workflow takes."""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer, Worker

from bridge.devstack.addresses import Addresses
from bridge.operations.base import Dispatch
from bridge.settings.schema import TemporalSettings
from bridge.temporal import Gateway, connect
from eventstore.events import Event
from tests.integration.workflows.inbox_scene import Chooser, Receiver
from tests.support.operations import carry_out, dispatch_of, event_of
from tests.support.waiting import eventually
from workflows.worker.sandbox import sandbox

pytestmark = pytest.mark.slow

WORKFLOWS: Sequence[type] = (Receiver, Chooser)
SERVED = pytest.mark.usefixtures("worker")

Handle = WorkflowHandle[Any, Any]


@pytest.fixture
async def gateway(stack: Addresses) -> Gateway:
    return await connect(TemporalSettings(address=stack.temporal_address))


@pytest.fixture(params=[100, 0], ids=["cached", "replayed at every step"])
async def worker(
    request: pytest.FixtureRequest, client: Client, task_queue: str
) -> AsyncIterator[Worker]:
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=WORKFLOWS,
        workflow_runner=sandbox(),
        max_cached_workflows=request.param,
    ) as running:
        yield running


async def start(client: Client, task_queue: str, workflow: str = "Receiver") -> Handle:
    return await client.start_workflow(
        workflow, id=f"{workflow}/{uuid4()}", task_queue=task_queue
    )


def sent(
    handle: Handle, name: str, data: Any, *, route: str = "ship", kind: str = "signal"
) -> tuple[Dispatch, Event]:
    """An event of type ``com.example.<name>.v1``, and its dispatch to the workflow."""
    event = event_of(data, type=f"com.example.{name}.v1")
    rule = {kind: {kind: name, "workflow_id": json.dumps(handle.id)}}
    return dispatch_of(rule, event, route=route), event


async def send(gateway: Gateway, handle: Handle, name: str, data: Any = None) -> None:
    assert (await carry_out(gateway, *sent(handle, name, data))).state == "done"


async def latest(client: Client, handle: Handle, *, but: str | None) -> str:
    """The run id of the run that follows the one named."""

    async def another() -> str | None:
        run_id = (await client.get_workflow_handle(handle.id).describe()).run_id
        return None if run_id == but else run_id

    return await eventually(another, what="the next run")


async def replays(client: Client, handle: Handle) -> None:
    """The history replays, whichever run it is of."""
    replayer = Replayer(
        workflows=WORKFLOWS,
        workflow_runner=sandbox(),
        data_converter=pydantic_data_converter,
    )
    await replayer.replay_workflow(
        await client.get_workflow_handle(handle.id, run_id=handle.run_id).fetch_history()
    )


@SERVED
async def test_events_are_taken_in_order_and_each_once_over_continue_as_new(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    handle = await start(client, task_queue)
    first, second = sent(handle, "one", 1), sent(handle, "two", 2)
    by_update = sent(handle, "three", 3, kind="update")
    for dispatch in (first, second, by_update, first):
        assert (await carry_out(gateway, *dispatch)).state == "done"
    run_id = handle.first_execution_run_id
    for _ in range(2):
        await send(gateway, handle, "again")
        run_id = await latest(client, handle, but=run_id)
        # The server has forgotten the request ids with the run; the inbox has not.
        for dispatch in (second, first, by_update):
            assert (await carry_out(gateway, *dispatch)).state == "done"
    await send(gateway, handle, "four", 4)
    await send(gateway, handle, "end")
    result = await client.get_workflow_handle(handle.id).result()
    assert result["noted"] == [1, 2, 3, 4]
    await replays(client, client.get_workflow_handle(handle.id))


@SERVED
async def test_one_event_by_two_routes_arrives_twice(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    handle = await start(client, task_queue)
    _, event = sent(handle, "one", 1)
    for route in ("one", "two"):
        rule = {"signal": {"signal": "one", "workflow_id": json.dumps(handle.id)}}
        dispatch = dispatch_of(rule, event, route=route)
        for _ in range(2):
            assert (await carry_out(gateway, dispatch, event)).state == "done"
    await send(gateway, handle, "end")
    assert (await handle.result())["noted"] == [1, 1]


@SERVED
async def test_what_is_no_envelope_is_reported_and_disturbs_nothing(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    handle = await start(client, task_queue)
    await handle.signal("number", 5)
    await handle.signal("no-arguments")
    await handle.signal("too-many", args=[{}, {}])
    await handle.signal("bytes", b"\xff\x00")
    await handle.signal("no-id", {"specversion": "1.0", "source": "/x", "type": "t"})
    await send(gateway, handle, "one", 1)
    await send(gateway, handle, "end")
    result = await handle.result()
    assert result["noted"] == [1]
    assert result["told"] == ["number", "no-arguments", "too-many", "bytes", "no-id"]
    number, none, many, octets, no_id = result["refused"]
    assert "no envelope" in number
    assert none.startswith("0 arguments")
    assert many.startswith("2 arguments")
    assert octets
    assert "id: Field required" in no_id
    await replays(client, handle)


@SERVED
async def test_an_update_that_is_no_envelope_is_rejected(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    handle = await start(client, task_queue)
    with pytest.raises(WorkflowUpdateFailedError) as rejected:
        await handle.execute_update("anything", {"id": "1"})
    assert "source: Field required" in str(rejected.value.cause)
    rule = {
        "update": {
            "update": "one",
            "workflow_id": json.dumps(handle.id),
            "argument": "[1]",
            "bare": True,
        }
    }
    event = event_of()
    outcome = await carry_out(gateway, dispatch_of(rule, event), event)
    assert (outcome.state, outcome.code) == ("dead", "rejected")
    assert "no envelope" in (outcome.error or "")
    await handle.terminate()


async def test_what_came_before_the_first_worker_keeps_its_order_over_names(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    handle = await start(client, task_queue)
    for number, name in enumerate(["b", "a", "b", "c", "a"]):
        await send(gateway, handle, name, number)
    await send(gateway, handle, "end")
    await send(gateway, handle, "late", "never taken")
    async with Worker(
        client, task_queue=task_queue, workflows=WORKFLOWS, workflow_runner=sandbox()
    ):
        result = await handle.result()
    assert result["noted"] == [0, 1, 2, 3, 4]
    assert result["left"] == ["never taken"]


@SERVED
async def test_a_workflow_takes_what_fits_and_leaves_the_rest(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    handle = await start(client, task_queue, "Chooser")
    await send(gateway, handle, "first", {"bold": False})
    await send(gateway, handle, "second", "no mapping: the condition raises on it")
    await send(gateway, handle, "third", {"bold": True})
    assert await handle.result() == {
        "bold": {"bold": True},
        "named": "no mapping: the condition raises on it",
        "late": "timed out",
        "left": [{"bold": False}],
    }
    await replays(client, handle)


@SERVED
async def test_an_envelope_of_a_foreign_sender_is_known_by_its_identity(
    client: Client, task_queue: str
) -> None:
    handle = await start(client, task_queue)
    envelope = {"specversion": "1.0", "source": "/x", "id": "1", "type": "t", "data": 1}
    for _ in range(2):
        await handle.signal("anything", envelope)
    await handle.signal("anything", {**envelope, "id": "2", "data": 2})
    await handle.signal("anything", {**envelope, "id": "3", "type": "com.example.end.v1"})
    assert (await handle.result())["noted"] == [1, 2]
