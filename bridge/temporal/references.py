"""References to large payloads in a run's history: of the calls that the bridge made for some events.

A start is recognised by the search attribute ``EventUid``, a signal or an update by its request id. What a
worker stored (results, arguments of activities) is not among them.
"""

from collections.abc import Collection, Iterator

import msgspec
from google.protobuf.json_format import Parse, ParseError
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.sdk.v1.external_storage_pb2 import ExternalStorageReference

from bridge.runtime.payload_store.reference import is_reference


class Reference(msgspec.Struct, frozen=True):
    """What a payload in the object store is found by: the driver's name and its own data."""

    driver: str
    claim: dict[str, str]


def references_in(
    event: HistoryEvent, uids: Collection[str], request_ids: Collection[str]
) -> Iterator[Reference]:
    """Yield the references in one event of a history, if a call for one of the events caused it."""
    for payload in _input_of(event, uids, request_ids).payloads:
        if is_reference(payload):
            yield _reference(payload)


def _reference(payload: Payload) -> Reference:
    try:
        found = Parse(payload.data, ExternalStorageReference(), ignore_unknown_fields=True)
    except ParseError:
        return Reference("unreadable", {})
    return Reference(found.driver_name, dict(found.claim_data))


def _input_of(
    event: HistoryEvent, uids: Collection[str], request_ids: Collection[str]
) -> Payloads:
    match event.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
            started = event.workflow_execution_started_event_attributes
            own = started.search_attributes.indexed_fields.get("EventUid", Payload())
            return started.input if own.data.decode().strip('"') in uids else Payloads()
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED:
            signaled = event.workflow_execution_signaled_event_attributes
            return signaled.input if signaled.request_id in request_ids else Payloads()
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
            request = event.workflow_execution_update_accepted_event_attributes.accepted_request
            return request.input.args if request.meta.update_id in request_ids else Payloads()
        case _:
            return Payloads()
