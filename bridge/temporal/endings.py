"""How a run ended and which run follows it, read from its description and history.

A run is a link of a chain. Callers need the end of the *chain*, so the successor that a closed run
names is followed: the next attempt of a retried workflow, the run it continued as, the next run of
a cron schedule, the run that a reset created.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import DescribeWorkflowExecutionResponse

from bridge.cloudevents.strict_json import check_json
from bridge.errors import DecodeError
from bridge.operations.calls import RunStatus
from bridge.temporal import answers
from bridge.temporal.ancestry import read_memo

_MAX_CAUSES = 8
_MAX_MESSAGE = 4000
"""Characters of a failure's message."""
_JSON = frozenset({b"json/plain", b"json/protobuf"})
_END = "_event_attributes"


class Ending(msgspec.Struct, frozen=True, kw_only=True):
    """A closed run."""

    workflow_id: str
    run_id: str
    first_run_id: str
    """The first run of its chain."""
    workflow_type: str
    task_queue: str
    status: RunStatus
    attempt: int
    """From 1; counts the attempts of a retried workflow."""
    started_at: datetime
    """When the chain started."""
    closed_at: datetime
    next_run_id: str = ""
    """The successor; empty when this run is the end of the chain."""
    result: bytes | None = None
    """Encoded as JSON according to its metadata, not checked; None when absent or omitted."""
    result_omitted: str | None = None
    """Why the result is omitted."""
    failure: Mapping[str, Any] | None = None
    """``message``, ``type`` and, if there is one, ``cause`` with the same members."""
    failure_cut: str | None = None
    """Why the failure is shortened."""
    memo: Mapping[str, Any] = {}
    """The memo fields about the event that started the run."""


NO_RESULT = -1
"""As the maximum size of a result: the result is left out."""


def read_ending(
    described: DescribeWorkflowExecutionResponse,
    first: HistoryEvent,
    last: HistoryEvent,
    most_bytes: int,
) -> Ending:
    """Read how a closed run ended from its description, its first event and its last.

    `NO_RESULT` as ``most_bytes`` leaves the result out.
    """
    info, extended = described.workflow_execution_info, described.workflow_extended_info
    end = _attributes(last)
    result, omitted = _result(getattr(end, "result", None), most_bytes)
    began = extended.original_start_time
    return Ending(
        workflow_id=info.execution.workflow_id,
        run_id=info.execution.run_id,
        first_run_id=info.first_run_id or info.execution.run_id,
        workflow_type=info.type.name,
        task_queue=info.task_queue,
        status=answers.run(described).status,
        attempt=first.workflow_execution_started_event_attributes.attempt or 1,
        started_at=_moment(began if began.ByteSize() else info.start_time),
        closed_at=_moment(info.close_time),
        next_run_id=extended.reset_run_id or getattr(end, "new_execution_run_id", ""),
        result=result,
        result_omitted=omitted,
        failure=_failure_of(last),
        memo=read_memo(info.memo.fields),
    )


def payloads_of(last: HistoryEvent, most_bytes: int) -> Sequence[Payloads]:
    """Return the result that `read_ending` reads from the last event; nothing if it leaves it out."""
    result: Payloads | None = getattr(_attributes(last), "result", None)
    return () if result is None or most_bytes < 0 else (result,)


def failure_of(last: HistoryEvent) -> Failure | None:
    """Return the failure that `read_ending` reads from the last event, if there is one."""
    if last.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
        return last.workflow_execution_failed_event_attributes.failure
    return None


def _attributes(event: HistoryEvent) -> Any:
    kind = EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").lower()
    return getattr(event, kind + _END, None)


def _result(payloads: Payloads | None, most_bytes: int) -> tuple[bytes | None, str | None]:
    if payloads is None or not payloads.payloads or most_bytes < 0:
        return None, None
    size = sum(len(each.data) for each in payloads.payloads)
    if size > most_bytes:
        return None, f"it has {size} bytes; the maximum is {most_bytes}"
    alone = len(payloads.payloads) == 1
    values = [_json(each, alone=alone) for each in payloads.payloads]
    if any(value is None for value in values):
        encodings = {each.metadata.get("encoding", b"") for each in payloads.payloads} - _JSON
        named = ", ".join(sorted(each.decode(errors="replace") for each in encodings))
        return None, f"it is not plain JSON: {named or 'invalid JSON'}"
    several = b"[" + b",".join(value or b"" for value in values) + b"]"
    return (values[0] if len(values) == 1 else several), None


def _json(payload: Payload, *, alone: bool) -> bytes | None:
    encoding = payload.metadata.get("encoding", b"")
    if encoding == b"binary/null":
        return b"null"
    if encoding not in _JSON:
        return None
    # Several payloads are joined into one array, so each must be valid JSON. No SDK returns several.
    return payload.data if alone or _is_json(payload.data) else None


def _is_json(data: bytes) -> bool:
    try:
        check_json(data)
    except (DecodeError, RecursionError):
        return False
    return True


def _failure_of(last: HistoryEvent) -> Mapping[str, Any] | None:
    match last.event_type:
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED:
            return _failure(last.workflow_execution_failed_event_attributes.failure)
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TIMED_OUT:
            return {"message": "the workflow exceeded its timeout", "type": "Timeout"}
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED:
            return {"message": "the workflow was cancelled", "type": "Canceled"}
        case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_TERMINATED:
            terminated = last.workflow_execution_terminated_event_attributes
            reason = terminated.reason[:_MAX_MESSAGE] or "no reason was given"
            return {"message": reason, "type": "Terminated", "by": terminated.identity}
        case _:
            return None


def _failure(failure: Failure, depth: int = 0) -> dict[str, Any]:
    kind = failure.WhichOneof("failure_info") or "failure"
    named = kind.removesuffix("_info").title().replace("_", "")
    read: dict[str, Any] = {
        "message": failure.message[:_MAX_MESSAGE],
        "type": failure.application_failure_info.type or named.removesuffix("Failure"),
    }
    if failure.activity_failure_info.activity_type.name:
        read["activity"] = failure.activity_failure_info.activity_type.name
    if failure.HasField("cause") and depth < _MAX_CAUSES:
        read["cause"] = _failure(failure.cause, depth + 1)
    return read


def _moment(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(UTC)
