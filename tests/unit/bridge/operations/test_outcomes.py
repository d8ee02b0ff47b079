"""What Temporal's answers mean: the table of failures, and the pauses between attempts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.lifecycle.backoff import backoff, doubled
from bridge.operations.calls import CallError
from bridge.operations.outcomes import after_failure, classify

RUN = CallError("NOT_FOUND", "workflow not found for ID: x")
NAMESPACE = CallError("NOT_FOUND", "Namespace x is not found.", namespace_missing=True)


def exhausted(limit: str) -> CallError:
    return CallError("RESOURCE_EXHAUSTED", "slow down", limit=limit)


def invalid(message: str) -> CallError:
    return CallError("INVALID_ARGUMENT", message)


TABLE = [
    (CallError("UNAVAILABLE", "connection refused"), "transient"),
    (CallError("CANCELLED", "Timeout expired"), "transient"),
    (CallError("DEADLINE_EXCEEDED", "no answer within 10 s"), "transient"),
    (CallError("ABORTED", "conflict"), "transient"),
    (CallError("INTERNAL", "oops"), "transient"),
    (CallError("UNKNOWN", "transport error"), "transient"),
    (exhausted("RPS_LIMIT"), "rate-limited"),
    (exhausted("BUSY_WORKFLOW"), "rate-limited"),
    (exhausted("CONCURRENT_LIMIT"), "rate-limited"),
    (exhausted(""), "rate-limited"),
    (
        CallError(
            "RESOURCE_EXHAUSTED", "grpc: received message larger than max", too_large=True
        ),
        "permanent",
    ),
    # A text says nothing: it may repeat what an event says.
    (CallError("RESOURCE_EXHAUSTED", "message too large"), "rate-limited"),
    (invalid("Blob data size exceeds limit."), "permanent"),
    (invalid("WorkflowId exceeds maximum allowed length (1001/1000)"), "permanent"),
    (invalid("exceeded workflow execution limit for signal events"), "permanent"),
    (invalid("invalid value for search attribute X of type Keyword: 5"), "permanent"),
    (invalid("search attribute X value size 5002 exceeds size limit 2048"), "permanent"),
    (
        invalid(
            "invalid value for search attribute X of type Int: no mapping for search attribute Y"
        ),
        "permanent",
    ),
    (invalid("invalid value: search attribute X is not defined"), "permanent"),
    (CallError("INVALID_ARGUMENT", "EventUid is Int", misconfigured=True), "environment"),
    (CallError("FAILED_PRECONDITION", "Pinned version 'd:b' is not present"), "permanent"),
    (CallError("FAILED_PRECONDITION", "is d:b deployed?", misconfigured=True), "environment"),
    (
        CallError("FAILED_PRECONDITION", "The limit on the total number of … updates"),
        "permanent",
    ),
    (
        CallError("FAILED_PRECONDITION", "Namespace is not active", namespace_missing=True),
        "environment",
    ),
    (NAMESPACE, "environment"),
    (RUN, "target-closed"),
    (CallError("PERMISSION_DENIED", "Request unauthorized"), "environment"),
    (CallError("UNAUTHENTICATED", "no token"), "environment"),
    (CallError("UNIMPLEMENTED", "unknown method"), "environment"),
    (CallError("ALREADY_EXISTS", "and nobody says who"), "permanent"),
    (CallError("OUT_OF_RANGE", "x"), "permanent"),
    (CallError("DATA_LOSS", "x"), "permanent"),
]


@pytest.mark.parametrize(("error", "expected"), TABLE)
def test_each_answer_has_its_class(error: CallError, expected: str) -> None:
    assert classify(error) == expected


@pytest.mark.parametrize(("error", "expected"), TABLE)
def test_only_what_cannot_change_ends_a_dispatch(error: CallError, expected: str) -> None:
    outcome = after_failure(error, attempts=1)
    assert outcome.state == ("dead" if expected in ("permanent", "target-closed") else "open")
    assert outcome.code == expected
    assert outcome.error == f"{error.status}: {error.message}"
    assert (outcome.pause > 0) == (outcome.state == "open")
    assert outcome.run_id is None


@pytest.mark.parametrize(
    ("limit", "everybody"),
    [
        ("RPS_LIMIT", True),
        ("SYSTEM_OVERLOADED", True),
        ("UNSPECIFIED", True),
        ("BUSY_WORKFLOW", False),
        ("CONCURRENT_LIMIT", False),
    ],
)
def test_a_limit_of_one_workflow_slows_nobody_else(limit: str, *, everybody: bool) -> None:
    assert after_failure(exhausted(limit), attempts=1).limited == everybody


def test_only_a_server_out_of_reach_is_unreachable() -> None:
    assert after_failure(CallError("UNAVAILABLE", "x"), attempts=1).unreachable
    assert not after_failure(CallError("CANCELLED", "Timeout expired"), attempts=1).unreachable


@given(st.integers(1, 10**9))
def test_a_pause_lies_between_half_and_the_whole_of_the_doubled_one(attempts: int) -> None:
    whole = min(0.2 * 2 ** min(attempts - 1, 20), 10.0)
    assert whole / 2 <= backoff(attempts) <= whole


def test_pauses_grow_to_ten_seconds_and_no_further() -> None:
    assert max(backoff(1) for _ in range(50)) < min(backoff(3) for _ in range(50))
    assert all(5 <= backoff(attempts) <= 10 for attempts in (7, 8, 100, 10**6))


def test_pauses_of_many_that_failed_together_are_spread() -> None:
    assert len({backoff(5) for _ in range(50)}) > 40


def test_a_pause_stays_a_number_however_often_it_was_doubled() -> None:
    assert [doubled(0.5, times, 5.0) for times in (0, 1, 3, 4, 1024, 10**6)] == [
        *(0.5, 1.0, 4.0),
        *[5.0] * 3,
    ]
