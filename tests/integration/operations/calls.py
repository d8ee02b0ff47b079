"""Calls to Temporal, and how they fail."""

from collections.abc import Awaitable
from typing import Any
from uuid import uuid4

import pytest
from msgspec.structs import replace

from bridge.operations.calls import (
    Argument,
    CallError,
    SignalCall,
    StartCall,
    UpdateCall,
)


def start_call(**changes: Any) -> StartCall:
    call = StartCall(
        workflow="Tally",
        task_queue="nobody",
        workflow_id=f"failures/{uuid4()}",
        request_id=uuid4(),
        argument=Argument(),
        search_attributes={},
        memo={},
    )
    return replace(call, **changes)


def signal_call(workflow_id: str, **changes: Any) -> SignalCall:
    call = SignalCall(
        workflow_id=workflow_id, signal="add", request_id=uuid4(), argument=Argument()
    )
    return replace(call, **changes)


def update_call(workflow_id: str, **changes: Any) -> UpdateCall:
    call = UpdateCall(
        workflow_id=workflow_id, update="change", request_id=uuid4(), argument=Argument()
    )
    return replace(call, **changes)


def of_size(size: int) -> Argument:
    return Argument(data=b'"' + b"x" * size + b'"')


async def failure(call: Awaitable[Any]) -> CallError:
    with pytest.raises(CallError) as raised:
        await call
    return raised.value
