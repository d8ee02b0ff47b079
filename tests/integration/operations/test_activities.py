"""Activities on a real Temporal: started once, ended once, also when the response was lost."""

import asyncio
import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio import activity, workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from bridge.health.temporal_probes import probe_activities
from bridge.routes.model import Route
from bridge.temporal import Gateway
from tests.support.operations import carry_out, dispatch_of, event_of
from tests.support.waiting import eventually

TOKENS: dict[str, bytes] = {}
DONE: list[Any] = []


@activity.defn
async def note(argument: Any) -> Any:
    """Remember that it ran."""
    DONE.append(argument)
    return argument


@activity.defn
async def ask(name: str) -> Any:
    """Hand out its token, and let somebody else end it."""
    TOKENS[name] = activity.info().task_token
    activity.raise_complete_async()


@workflow.defn
class Asks:
    """Waits for one such activity."""

    @workflow.run
    async def run(self, name: str) -> Any:
        return await workflow.execute_activity(
            ask,
            name,
            start_to_close_timeout=timedelta(seconds=60),
            retry_policy=RetryPolicy(maximum_attempts=1),
        )


@pytest.fixture
async def worker(client: Client, task_queue: str) -> AsyncIterator[Worker]:
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[Asks],
        activities=[note, ask],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ) as running:
        yield running


pytestmark = pytest.mark.usefixtures("worker")


def starts(task_queue: str, **changes: Any) -> dict[str, Any]:
    spec = {"activity": "note", "task_queue": task_queue, "start_to_close_timeout": "30s"}
    return {"start_activity": {**spec, **changes}}


async def token_of(name: str) -> str:
    await eventually(lambda: name in TOKENS)
    return base64.b64encode(TOKENS[name]).decode()


async def asking(client: Client, task_queue: str) -> tuple[Any, str]:
    """A workflow that waits for an activity, and the token of that."""
    name = f"asks/{uuid4()}"
    run = await client.start_workflow("Asks", name, id=name, task_queue=task_queue)
    return run, await token_of(name)


async def test_an_activity_is_started_once_also_after_it_has_ended(
    gateway: Gateway, task_queue: str
) -> None:
    event = event_of({"n": str(uuid4())})
    dispatch = dispatch_of(starts(task_queue), event)
    first = await carry_out(gateway, dispatch, event)
    assert (first.state, first.code, first.run_id) == ("done", None, None)
    await eventually(lambda: {"n": event_data(event)} in DONE)
    again = await carry_out(gateway, dispatch, event)
    assert again.state == "done"
    other = event_of({"id": dispatch.target})
    clash = dispatch_of(starts(task_queue, id="data.id"), other, route="another")
    outcome = await carry_out(gateway, clash, other)
    assert (outcome.state, outcome.code) == ("collision", "collision")
    # A new generation, which an operator asks for, starts another.
    repeat = dispatch_of(
        starts(task_queue, id_reuse_policy="allow-duplicate"), event, generation=2
    )
    assert (await carry_out(gateway, repeat, event)).state == "done"
    await eventually(lambda: DONE.count({"n": event_data(event)}) == 2)


def event_data(event: Any) -> str:
    return str(event.data.decode().split('"')[3])


async def test_an_activity_is_completed_once_by_its_token(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    run, token = await asking(client, task_queue)
    event = event_of({"token": token, "answer": 42})
    rule = {"complete_activity": {"token": "data.token", "result": "data.answer"}}
    dispatch = dispatch_of({**rule, "only": ["asks/*"]}, event)
    assert dispatch.target == run.id
    outcomes = [await carry_out(gateway, dispatch, event) for _ in range(2)]
    assert [each.state for each in outcomes] == ["done", "done"]
    assert await run.result() == 42
    # Also once the workflow has ended; another event's is too late.
    assert (await carry_out(gateway, dispatch, event)).state == "done"
    late = event_of({"token": token, "answer": 43})
    refused = await carry_out(gateway, dispatch_of(rule, late), late)
    assert (refused.state, refused.code) == ("dead", "target-closed")
    assert "has ended" in (refused.error or "")
    dropped = {"complete_activity": {**rule["complete_activity"], "when_missing": "drop"}}
    assert (await carry_out(gateway, dispatch_of(dropped, late), late)).state == "skipped"


async def test_an_activity_fails_by_its_token(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    run, token = await asking(client, task_queue)
    event = event_of({"token": token, "why": "out of stock"})
    rule = {"fail_activity": {"token": "data.token", "message": "data.why", "type": "NoStock"}}
    dispatch = dispatch_of(rule, event)
    outcomes = [await carry_out(gateway, dispatch, event) for _ in range(2)]
    assert [each.state for each in outcomes] == ["done", "done"]
    with pytest.raises(WorkflowFailureError) as caught:
        await run.result()
    assert "out of stock" in str(caught.value.__cause__.__cause__)  # type: ignore[union-attr]


async def test_an_activity_without_a_workflow_is_completed_once(
    gateway: Gateway, task_queue: str
) -> None:
    name = str(uuid4())
    event = event_of(name)
    started = dispatch_of(starts(task_queue, activity="ask"), event)
    assert (await carry_out(gateway, started, event)).state == "done"
    end = event_of({"token": await token_of(name), "answer": 42})
    rule = {"complete_activity": {"token": "data.token", "result": "data.answer"}}
    dispatch = dispatch_of(rule, end)
    assert dispatch.target == started.target
    outcomes = [await carry_out(gateway, dispatch, end) for _ in range(2)]
    assert [each.state for each in outcomes] == ["done", "done"]
    other = dispatch_of({"complete_activity": {"token": "data.token", "result": "1"}}, end)
    assert (await carry_out(gateway, other, end)).state == "dead"


async def test_a_token_of_an_activity_that_a_route_may_not_touch_is_refused(
    client: Client, task_queue: str
) -> None:
    run, token = await asking(client, task_queue)
    rule = {"complete_activity": {"token": "data.token"}, "only": ["others/*"]}
    event = event_of({"token": token})
    with pytest.raises(AssertionError, match="not among those that this route may touch"):
        dispatch_of(rule, event)
    await asyncio.wait_for(run.terminate(), 30)


async def test_the_doctor_knows_whether_the_server_has_such_activities(
    gateway: Gateway, task_queue: str
) -> None:
    route = Route.model_validate({"name": "r", "from": "events.>", **starts(task_queue)})
    (finding,) = await probe_activities(gateway, [route])
    assert finding.state == "ok"
    assert await probe_activities(gateway, []) == ()
