"""Calls with many events, on a real Temporal: a receiver with the inbox sees single events, each once."""

import json
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from bridge.operations.base import Dispatch, Member
from bridge.temporal import Gateway
from eventstore.events import Event
from tests.support import targets
from tests.support.operations import carry_out, dispatch_of, event_of, stored
from tests.support.waiting import eventually


def batch(operation: dict[str, Any], events: list[Event]) -> Dispatch:
    """The dispatch of the last event, which calls with all of them."""
    plans = [dispatch_of(operation, event) for event in events]
    members = [
        Member(
            route=each.route, request_id=each.request_id, call=each.call, event=stored(event)
        )
        for each, event in zip(plans, events, strict=True)
    ]
    return replace(plans[-1], member_ids=list(range(len(events))), members=members)


@pytest.mark.parametrize(
    "operation",
    [
        {"signal": {"signal": "note", "workflow_id": "data.id"}},
        {"update": {"update": "note", "workflow_id": "data.id"}},
    ],
    ids=["signal", "update"],
)
async def test_the_inbox_takes_a_batch_apart(
    operation: dict[str, Any], gateway: Gateway, client: Client, task_queue: str
) -> None:
    target = f"batches/{uuid4()}"
    events = [event_of({"id": target, "n": n}, id=f"{n}") for n in range(6)]
    first, second = batch(operation, events[:4]), batch(operation, events[2:])
    converting = Client(client.service_client, data_converter=pydantic_data_converter)
    async with targets.worker(converting, task_queue):
        handle = await client.start_workflow("Remembering", id=target, task_queue=task_queue)

        async def has_taken(count: int) -> bool:
            taken = await client.get_workflow_handle(target).query("taken")
            assert taken == [f"{n}" for n in range(count)]
            return True

        for dispatch in (first, second):
            assert (await carry_out(gateway, dispatch, events[-1])).state == "done"
        await eventually(lambda: has_taken(6))
        # Its run has continued as new since, so Temporal takes it for another one.
        assert (await carry_out(gateway, first, events[3])).state == "done"
        await eventually(lambda: has_taken(6))
        await client.get_workflow_handle(handle.id).terminate()


async def test_a_start_gets_a_list_of_envelopes(
    gateway: Gateway, client: Client, task_queue: str
) -> None:
    start = {"workflow": "Target", "task_queue": task_queue, "input": "data.n"}
    events = [event_of({"n": n}) for n in range(3)]
    outcome = await carry_out(gateway, batch({"start": start}, events), events[-1])
    handle = client.get_workflow_handle(f"ship/{events[-1].uid}", run_id=outcome.run_id)
    begun = (await handle.fetch_history()).events[0]
    (argument,) = begun.workflow_execution_started_event_attributes.input.payloads
    given = json.loads(argument.data)
    assert [(each["id"], each["data"]) for each in given] == [
        (event.id, n) for n, event in enumerate(events)
    ]
    await handle.terminate()
