"""What of a request is encoded, and what of an answer is decoded."""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from google.protobuf.message import Message
from temporalio.api.common.v1 import Header, Payload
from temporalio.api.failure.v1 import Failure

from bridge.operations.calls import (
    Argument,
    CallError,
    SignalCall,
    StartCall,
    StartOptions,
    UpdateCall,
)
from bridge.operations.outcomes import after_failure, classify
from bridge.runtime.codec import codec_of
from bridge.temporal import requests
from bridge.temporal.payloads import PayloadTransit
from bridge.temporal.requests import json_payload
from tests.unit.bridge.runtime.codec.builders import K2, settings

MARK = "marked"
START = StartCall(
    workflow="W",
    task_queue="q",
    workflow_id="w",
    request_id=uuid4(),
    argument=Argument(data=b'"marked"'),
    search_attributes={"EventUid": "found"},
    memo={"ce": {"id": MARK}, "bridge": {"hops": MARK}},
    options=StartOptions(static_summary=MARK, static_details=MARK),
)
SIGNAL = SignalCall(
    workflow_id="w", signal="s", request_id=uuid4(), argument=Argument(data=b'"marked"')
)
UPDATE = UpdateCall(
    workflow_id="w", update="u", request_id=uuid4(), argument=Argument(data=b"m", is_json=False)
)
MINE: Mapping[str, Any] = {"namespace": "default", "identity": "me"}
TRACE = Header(fields={"_tracer-data": json_payload({"traceparent": "00-a-b-01"})})


def transit(current: str = "k1", **keys: str) -> PayloadTransit:
    return PayloadTransit(codec_of(settings(current, **keys), "default"))


def every_request() -> list[Message]:
    return [
        requests.start(START, **MINE, header=TRACE),
        requests.signal_with_start(START, SIGNAL, **MINE, header=TRACE),
        requests.signal(SIGNAL, **MINE, header=TRACE),
        requests.update(UPDATE, **MINE, header=TRACE),
        requests.update_with_start(START, UPDATE, **MINE, header=TRACE),
    ]


@pytest.mark.parametrize("request_", every_request(), ids=lambda each: type(each).__name__)
async def test_nothing_of_an_event_stays_readable(request_: Message) -> None:
    await transit().encode(request_)
    assert MARK.encode() not in request_.SerializeToString()
    assert b"00-a-b-01" in request_.SerializeToString(), "the trace context stays readable"


async def test_search_attributes_stay_readable() -> None:
    request = requests.start(START, **MINE)
    await transit().encode(request)
    assert request.search_attributes.indexed_fields["EventUid"].data == b'"found"'


async def test_a_payload_is_encoded_once() -> None:
    request = requests.start(START, **MINE)
    await transit().encode(request)
    await transit().decode([request.input.payloads[0], request.memo.fields["ce"]])
    assert request.input.payloads[0].data == b'"marked"'
    assert request.memo.fields["ce"].data == b'{"id":"marked"}'


async def test_without_a_codec_nothing_changes() -> None:
    (before, after) = (requests.start(START, **MINE) for _ in range(2))
    await PayloadTransit(None).encode(after)
    assert after == before


async def test_an_unknown_key_is_a_fault_of_the_environment() -> None:
    request = requests.signal(SIGNAL, **MINE)
    await transit("k2", k2=K2).encode(request)
    with pytest.raises(CallError, match="'k2', which is not known here") as raised:
        await transit().decode(request.input.payloads)
    assert classify(raised.value) == "environment"
    assert after_failure(raised.value, 1).state == "open"


async def test_a_missing_codec_is_a_fault_of_the_environment() -> None:
    request = requests.signal(SIGNAL, **MINE)
    await transit().encode(request)
    with pytest.raises(CallError, match=r"'k1', and this process has no codec") as raised:
        await PayloadTransit(None).decode(request.input.payloads)
    assert classify(raised.value) == "environment"


async def test_payloads_of_other_codecs_are_left_alone() -> None:
    payload = Payload(metadata={"encoding": b"binary/zlib"}, data=b"x")
    await PayloadTransit(None).decode([payload])
    await transit().decode([payload])
    assert payload.data == b"x"


@pytest.mark.parametrize("used", [PayloadTransit(None), transit()])
async def test_the_messages_of_a_failure_and_its_causes_are_read(used: PayloadTransit) -> None:
    """Without a codec too: a worker may move messages into attributes on its own."""
    failure = Failure(
        message="Encoded failure",
        encoded_attributes=json_payload({"message": "outer", "stack_trace": "t"}),
        cause=Failure(
            message="readable",
            cause=Failure(encoded_attributes=json_payload({"message": "innermost"})),
        ),
    )
    await used.encode(failure)
    await used.decode_failure(failure)
    assert failure.message == "outer"
    assert failure.cause.message == "readable"
    assert failure.cause.cause.message == "innermost"


async def test_attributes_of_another_codec_leave_the_message() -> None:
    attributes = Payload(metadata={"encoding": b"binary/zlib"}, data=b"x")
    failure = Failure(message="Encoded failure", encoded_attributes=attributes)
    await PayloadTransit(None).decode_failure(failure)
    assert failure.message == "Encoded failure"
