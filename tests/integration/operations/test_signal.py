"""`signal` and `signal_with_start` on a real Temporal: each one effect, however often repeated."""

from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace
from temporalio.client import Client

from bridge.operations.calls import CallError, Run, SignalCall, StartCall
from bridge.temporal import Gateway
from tests.integration.operations.tally import continued, start
from tests.support.operations import carry_out, dispatch_of, event_of

SERVED = pytest.mark.usefixtures("worker")

Rule = dict[str, Any]


def signal(**changes: Any) -> Rule:
    return {"signal": {"signal": "add", "workflow_id": "data.id", **changes}}


def signal_with_start(task_queue: str, **changes: Any) -> Rule:
    start = {"workflow": "Tally", "task_queue": task_queue, "workflow_id": "data.id"}
    return {"signal_with_start": {**start, "input": "[]", "signal": "add", **changes}}


async def tally(client: Client, workflow_id: str) -> list[Any]:
    got: list[Any] = await client.get_workflow_handle(workflow_id).query("tally")
    return got


async def runs(client: Client, workflow_id: str) -> int:
    """How many executions a workflow id has had."""
    count = await client.count_workflows(f"WorkflowId = '{workflow_id}'")
    return count.count


@SERVED
async def test_a_signal_carries_the_envelope_and_arrives_once(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    target = await start(client, task_queue, f"order/{uuid4()}")
    event = event_of({"id": target.id, "n": 1}, subject="order 7", extensions={"hops": 2})
    dispatch = dispatch_of(signal(), event)

    outcomes = [await carry_out(gateway, dispatch, event) for _ in range(3)]

    assert [outcome.state for outcome in outcomes] == ["done"] * 3
    assert {outcome.run_id for outcome in outcomes} == {target.first_execution_run_id}
    assert await tally(client, target.id) == [
        {
            "specversion": "1.0",
            "id": event.id,
            "source": "/shop",
            "type": "com.example.placed",
            "subject": "order 7",
            "hops": 2,
            "correlationid": "c-1",
            "bridgerequest": str(dispatch.request_id),
            "bridgeroute": "ship",
            "data": {"id": target.id, "n": 1},
        }
    ]
    await target.terminate()


@SERVED
async def test_an_argument_takes_the_place_of_the_data_or_of_everything(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    target = await start(client, task_queue, f"order/{uuid4()}")
    event = event_of({"id": target.id, "n": 1})
    for route, rule in (
        ("data", signal(argument="{'sum': data.n + 1}")),
        ("null", signal(argument="null")),
        ("bare", signal(argument="[data.n]", bare=True)),
    ):
        outcome = await carry_out(gateway, dispatch_of(rule, event, route=route), event)
        assert outcome.state == "done"
    wrapped, null, bare = await tally(client, target.id)
    assert (wrapped["data"], wrapped["bridgeroute"]) == ({"sum": 2}, "data")
    assert (null["data"], null["bridgeroute"]) == (None, "null")
    assert bare == [1]
    await target.terminate()


@SERVED
async def test_two_routes_that_signal_one_workflow_from_one_event_are_two_signals(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    target = await start(client, task_queue, f"order/{uuid4()}")
    event = event_of({"id": target.id})
    for route in ("one", "two"):
        dispatch = dispatch_of(signal(), event, route=route)
        assert (await carry_out(gateway, dispatch, event)).state == "done"
    assert [each["bridgeroute"] for each in await tally(client, target.id)] == ["one", "two"]
    await target.terminate()


@SERVED
async def test_a_signal_that_closed_its_workflow_is_not_taken_for_one_that_came_too_late(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    target = await start(client, task_queue, f"order/{uuid4()}")
    event = event_of({"id": target.id})
    dispatch = dispatch_of(signal(signal="finish"), event)
    assert (await carry_out(gateway, dispatch, event)).state == "done"
    await target.result()
    repeat = await carry_out(gateway, dispatch, event)
    assert (repeat.state, repeat.run_id) == ("done", target.first_execution_run_id)
    other = dispatch_of(signal(signal="finish"), event, route="late")
    assert (await carry_out(gateway, other, event)).code == "target-closed"


@SERVED
async def test_the_run_before_the_last_one_is_asked_too(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    target = await start(client, task_queue, f"order/{uuid4()}")
    event = event_of({"id": target.id})
    dispatch = dispatch_of(signal(), event)
    await carry_out(gateway, dispatch, event)
    await target.signal("again")
    await continued(client, target.id, target.first_execution_run_id)
    await client.get_workflow_handle(target.id).terminate()
    assert (await carry_out(gateway, dispatch, event)).state == "done"


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "unknown"])
@pytest.mark.parametrize(
    ("when_missing", "state"),
    [
        ({}, "dead"),
        ({"when_missing": "dead-letter"}, "dead"),
        ({"when_missing": "drop"}, "skipped"),
        ({"when_missing": "wait", "wait_for": "1h"}, "waiting"),
    ],
)
async def test_what_becomes_of_a_signal_without_a_target(
    *,
    closed: bool,
    when_missing: Rule,
    state: str,
    gateway: Gateway,
    client: Client,
    task_queue: str,
) -> None:
    workflow_id = f"order/{uuid4()}"
    if closed:
        await (await start(client, task_queue, workflow_id)).terminate()
    event = event_of({"id": workflow_id})
    outcome = await carry_out(gateway, dispatch_of(signal(**when_missing), event), event)
    assert (outcome.state, outcome.code) == (state, "target-closed")
    assert workflow_id in (outcome.error or "")
    if state == "waiting":
        assert outcome.pause == 1


@SERVED
async def test_what_waits_is_delivered_when_the_target_appears(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    workflow_id = f"order/{uuid4()}"
    event = event_of({"id": workflow_id})
    dispatch = dispatch_of(signal(when_missing="wait"), event)
    assert (await carry_out(gateway, dispatch, event)).state == "waiting"
    target = await start(client, task_queue, workflow_id)
    assert (await carry_out(gateway, dispatch, event)).state == "done"
    assert len(await tally(client, workflow_id)) == 1
    await target.terminate()


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "unknown"])
@SERVED
async def test_when_missing_start_starts_and_signals_once(
    *, closed: bool, gateway: Gateway, client: Client, task_queue: str
) -> None:
    workflow_id = f"order/{uuid4()}"
    if closed:
        await (await start(client, task_queue, workflow_id)).terminate()
    event = event_of({"id": workflow_id})
    nested = {"workflow": "Tally", "task_queue": task_queue, "input": "['started']"}
    dispatch = dispatch_of(signal(signal="finish", when_missing="start", start=nested), event)
    first = await carry_out(gateway, dispatch, event)
    got = await client.get_workflow_handle(workflow_id, run_id=first.run_id).result()
    assert [got[0], got[1]["bridgeroute"]] == ["started", "ship"]
    # The run that the first attempt started has closed: a repeat must find that out.
    again = await carry_out(gateway, dispatch, event)
    assert (again.state, again.run_id) == ("done", first.run_id)
    handle = client.get_workflow_handle(workflow_id)
    assert (await handle.describe()).run_id == first.run_id


@SERVED
async def test_a_signal_with_start_starts_one_run_and_signals_it_once(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    event = event_of({"id": f"order/{uuid4()}"})
    workflow_id = dispatch_of(signal_with_start(task_queue), event).target
    dispatch = dispatch_of(signal_with_start(task_queue), event)
    outcomes = [await carry_out(gateway, dispatch, event) for _ in range(3)]
    assert outcomes == [outcomes[0]] * 3
    assert len(await tally(client, workflow_id)) == 1
    run = await client.get_workflow_handle(workflow_id).describe()
    assert (await run.memo_value("bridge"))["uid"] == str(event.uid)

    other = event_of({"id": workflow_id})
    signalled = await carry_out(
        gateway, dispatch_of(signal_with_start(task_queue), other), other
    )
    assert signalled == outcomes[0]
    assert len(await tally(client, workflow_id)) == 2
    await client.get_workflow_handle(workflow_id).terminate()


@SERVED
async def test_a_repeat_of_signal_with_start_after_the_close_starts_nothing(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    event = event_of({"id": f"order/{uuid4()}"})
    dispatch = dispatch_of(signal_with_start(task_queue, signal="finish"), event)
    first = await carry_out(gateway, dispatch, event)
    handle = client.get_workflow_handle(dispatch.target, run_id=first.run_id)
    await handle.result()
    assert await carry_out(gateway, dispatch, event) == first

    # Nor does it when the closed run was another's, and our signal had reached it …
    follower = event_of({"id": f"order/{uuid4()}"})
    rule = dispatch_of(signal_with_start(task_queue, signal="finish"), follower)
    target = await start(client, task_queue, rule.target)
    assert (await carry_out(gateway, rule, follower)).run_id == target.first_execution_run_id
    await target.result()
    repeat = await carry_out(gateway, rule, follower)
    assert (repeat.state, repeat.run_id) == ("done", target.first_execution_run_id)

    # … but an event that never reached it starts the next run.
    late = event_of({"id": rule.target})
    fresh = await carry_out(gateway, dispatch_of(signal_with_start(task_queue), late), late)
    assert fresh.state == "done"
    assert fresh.run_id != target.first_execution_run_id
    assert len(await tally(client, rule.target)) == 1
    await client.get_workflow_handle(rule.target).terminate()


class Late:
    """A gateway that keeps what was sent, so that it can be sent again as if it were late."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self.sent: list[tuple[StartCall, SignalCall]] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._gateway, name)

    async def signal_with_start(self, start: StartCall, signal: SignalCall) -> Run:
        self.sent.append((start, signal))
        return await self._gateway.signal_with_start(start, signal)


@SERVED
async def test_a_late_signal_with_start_does_nothing_unless_a_run_was_closed_before_it(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    late: Any = Late(gateway)
    event = event_of({"id": f"order/{uuid4()}"})
    dispatch = dispatch_of(signal_with_start(task_queue, signal="finish"), event)
    first = await carry_out(late, dispatch, event)
    await client.get_workflow_handle(dispatch.target, run_id=first.run_id).result()
    # The same request, of a daemon that was killed, arrives when its successor's run has closed.
    with pytest.raises(CallError) as refused:
        await gateway.signal_with_start(*late.sent[0])
    assert refused.value.already_started is not None

    # The boundary: where another's run was closed before, a second run must be allowed.
    second = event_of({"id": dispatch.target})
    follower = dispatch_of(signal_with_start(task_queue, signal="finish"), second)
    late.sent.clear()
    done = await carry_out(late, follower, second)
    await client.get_workflow_handle(dispatch.target, run_id=done.run_id).result()
    rejecting, allowing = late.sent
    with pytest.raises(CallError):
        await gateway.signal_with_start(*rejecting)
    again = await gateway.signal_with_start(*allowing)
    assert again.run_id not in (first.run_id, done.run_id)
    described = await gateway.describe(dispatch.target, again.run_id)
    assert (described.event_uid, described.route) == (str(second.uid), "ship")


@pytest.mark.parametrize("policy", ["reject-duplicate", "allow-failed-only"])
@SERVED
async def test_a_route_may_forbid_a_second_run(
    policy: str, gateway: Gateway, client: Client, task_queue: str
) -> None:
    target = await start(client, task_queue, f"order/{uuid4()}")
    await target.signal("finish")
    await target.result()
    event = event_of({"id": target.id})
    dispatch = dispatch_of(signal_with_start(task_queue, id_reuse_policy=policy), event)
    outcome = await carry_out(gateway, dispatch, event)
    assert (outcome.state, outcome.run_id) == ("collision", target.first_execution_run_id)


@SERVED
async def test_a_signal_may_mean_one_run_and_no_other(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    target = await start(client, task_queue, f"order/{uuid4()}")
    event = event_of({"id": target.id, "run": target.first_execution_run_id})
    dispatch = dispatch_of(signal(run_id="data.run"), event)
    assert (await carry_out(gateway, dispatch, event)).state == "done"
    await target.signal("again")
    await continued(client, target.id, target.first_execution_run_id)
    late = replace(dispatch, request_id=uuid4())
    assert (await carry_out(gateway, late, event)).code == "target-closed"
    await client.get_workflow_handle(target.id).terminate()
