"""Every failure class, provoked: what Temporal really answers, and what class that is."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import (
    AddSearchAttributesRequest,
    RemoveSearchAttributesRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError

from bridge.devstack.addresses import Addresses
from bridge.operations.calls import (
    PinnedVersion,
    StartCall,
    StartOptions,
)
from bridge.operations.outcomes import classify
from bridge.settings.schema import TemporalSettings
from bridge.temporal import Gateway, connect
from tests.integration.operations.calls import (
    failure,
    of_size,
    signal_call,
    start_call,
    update_call,
)
from tests.support.outages import own_temporal
from tests.support.waiting import eventually

MEGABYTE = 2**20
LONG = "x" * 1001


def every_call(gateway: Gateway, workflow_id: str) -> dict[str, Callable[[], Awaitable[Any]]]:
    start = start_call(workflow_id=workflow_id)
    run_id = str(uuid4())
    return {
        "start": lambda: gateway.start(start),
        "signal": lambda: gateway.signal(signal_call(workflow_id)),
        "signal_with_start": lambda: gateway.signal_with_start(start, signal_call(workflow_id)),
        "update": lambda: gateway.update(update_call(workflow_id)),
        "cancel": lambda: gateway.cancel(workflow_id, run_id, uuid4()),
        "terminate": lambda: gateway.terminate(workflow_id, run_id, "test"),
        "describe": lambda: gateway.describe(workflow_id),
    }


CALLS = list(every_call(None, ""))  # type: ignore[arg-type]  # only the names
OF_A_RUN = [name for name in CALLS if "start" not in name]


@pytest.mark.parametrize("name", CALLS)
async def test_a_missing_namespace_is_a_wrong_setting(stack: Addresses, name: str) -> None:
    gateway = await connect(
        TemporalSettings(address=stack.temporal_address, namespace="nowhere")
    )
    error = await failure(every_call(gateway, "some")[name]())
    assert (error.status, error.namespace_missing) == ("NOT_FOUND", True)
    assert classify(error) == "environment"


@pytest.mark.parametrize("name", OF_A_RUN)
async def test_an_unknown_workflow_is_a_closed_target(gateway: Gateway, name: str) -> None:
    error = await failure(every_call(gateway, f"unknown/{uuid4()}")[name]())
    assert error.status == "NOT_FOUND"
    assert classify(error) == "target-closed"


async def test_a_closed_workflow_is_a_closed_target(gateway: Gateway) -> None:
    call = start_call()
    run = await gateway.start(call)
    await gateway.terminate(call.workflow_id, run.run_id, "test")
    for refused in (
        gateway.signal(signal_call(call.workflow_id)),
        gateway.update(update_call(call.workflow_id)),
        gateway.terminate(call.workflow_id, run.run_id, "test"),
    ):
        assert classify(await failure(refused)) == "target-closed"
    await gateway.cancel(call.workflow_id, run.run_id, uuid4())
    assert not (await gateway.describe(call.workflow_id)).cancel_requested


@pytest.mark.parametrize(
    ("size", "status"),
    [(int(2.1 * MEGABYTE), "INVALID_ARGUMENT"), (int(4.1 * MEGABYTE), "RESOURCE_EXHAUSTED")],
)
async def test_what_is_too_large_is_too_large_for_ever(
    gateway: Gateway, size: int, status: str
) -> None:
    call = start_call()
    await gateway.start(call)
    other = start_call(argument=of_size(size))
    for refused in (
        gateway.start(other),
        gateway.signal(signal_call(call.workflow_id, argument=of_size(size))),
        gateway.signal_with_start(other, signal_call(other.workflow_id)),
    ):
        error = await failure(refused)
        assert (error.status, error.limit, classify(error)) == (status, "", "permanent")
    too_large = update_call(call.workflow_id, argument=of_size(size))
    assert classify(await failure(gateway.update(too_large))) == "permanent"


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"workflow_id": LONG}, "permanent"),
        ({"workflow": LONG}, "permanent"),
        ({"task_queue": ""}, "permanent"),
        ({"options": StartOptions(fairness_key="x" * 65)}, "permanent"),
        ({"search_attributes": {"EventUid": 5}}, "permanent"),
        ({"search_attributes": {"EventUid": "x" * 2049}}, "permanent"),
        ({"memo": {"x": "x" * (2 * MEGABYTE)}}, "permanent"),
        ({"search_attributes": {"NobodyRegisteredThis": "x"}}, "environment"),
        (
            {
                "options": StartOptions(
                    versioning_override=PinnedVersion(deployment_name="none", build_id="1")
                )
            },
            "environment",
        ),
    ],
    ids=[
        "workflow id",
        "workflow type",
        "task queue",
        "fairness key",
        "search attribute's type",
        "search attribute's length",
        "memo",
        "unregistered search attribute",
        "version not deployed",
    ],
)
async def test_a_start_that_cannot_be(
    gateway: Gateway, changes: dict[str, Any], kind: str
) -> None:
    assert classify(await failure(gateway.start(start_call(**changes)))) == kind


HOSTILE = [
    "no mapping for search attribute Other",
    "search attribute Other is not defined",
    "Namespace default has no mapping defined for search attribute Other",
    "Pinned version 'd:b' is not present",
    "message larger than max",
    "Namespace default is not found.",
]
"""Texts of the server's, as a publisher may write them into an event."""


@pytest.mark.parametrize("text", HOSTILE)
async def test_what_an_event_says_in_the_servers_words_stays_the_events_own_fault(
    gateway: Gateway, client: Client, text: str
) -> None:
    await registered(client, LanesNumber=IndexedValueType.INDEXED_VALUE_TYPE_INT)
    refused = start_call(search_attributes={"LanesNumber": text})
    error = await failure(gateway.start(refused))
    assert text in error.message
    assert classify(error) == "permanent"
    signal = signal_call(refused.workflow_id)
    assert classify(await failure(gateway.signal_with_start(refused, signal))) == "permanent"
    too_long = start_call(workflow_id=text + LONG, search_attributes={"EventType": text})
    assert classify(await failure(gateway.start(too_long))) == "permanent"


async def registered(client: Client, **types: IndexedValueType.ValueType) -> None:
    """Register search attributes, and wait until the server takes them."""
    await client.operator_service.add_search_attributes(
        AddSearchAttributesRequest(namespace="default", search_attributes=types)
    )

    async def known() -> bool:
        try:
            for name in types:
                await client.count_workflows(f"{name} IS NULL")
        except RPCError:
            return False
        return True

    await eventually(known, within=30, what="search attributes that are known")


@pytest.mark.slow
async def test_an_attribute_of_ours_with_another_type_is_the_installations_fault(
    tmp_path: Path,
) -> None:
    async with own_temporal(tmp_path) as server:
        client = await Client.connect(server.address)
        gateway = await connect(TemporalSettings(address=server.address))
        await client.operator_service.remove_search_attributes(
            RemoveSearchAttributesRequest(namespace="default", search_attributes=["EventUid"])
        )
        await registered(client, EventUid=IndexedValueType.INDEXED_VALUE_TYPE_INT)
        found = await gateway.search_attributes()
        assert (found.missing, found.mistyped) == ((), {"EventUid": "Int"})
        assert await gateway.register_search_attributes() == ()
        call = start_call(search_attributes={"EventUid": str(uuid4())})
        for refused in (
            gateway.start(call),
            gateway.signal_with_start(call, signal_call(call.workflow_id)),
        ):
            error = await failure(refused)
            assert classify(error) == "environment"
            assert "EventUid is registered as Int, not Keyword" in str(error)


async def test_a_signal_that_cannot_be(gateway: Gateway) -> None:
    call = start_call()
    await gateway.start(call)
    for changes in ({"signal": LONG}, {"run_id": "no run id"}):
        error = await failure(gateway.signal(signal_call(call.workflow_id, **changes)))
        assert (error.status, classify(error)) == ("INVALID_ARGUMENT", "permanent")


async def test_a_workflow_id_that_is_taken_says_by_whom(gateway: Gateway) -> None:
    call = start_call()
    run = await gateway.start(call)
    for refused in (
        gateway.start(replace(call, request_id=uuid4())),
        _after_the_end(gateway, call, run.run_id),
    ):
        error = await failure(refused)
        assert error.already_started is not None
        assert error.already_started.run_id == run.run_id
        assert error.already_started.start_request_id == str(call.request_id)


async def _after_the_end(gateway: Gateway, call: StartCall, run_id: str) -> None:
    await gateway.terminate(call.workflow_id, run_id, "test")
    await gateway.signal_with_start(
        replace(call, request_id=uuid4()), signal_call(call.workflow_id)
    )
