"""What Temporal's answers mean: the table of failures, and the pauses between attempts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.calls import CallError
from bridge.dispatch.outcomes import after_failure, backoff, classify

TABLE = [
    ("UNAVAILABLE", "connection refused", False, "transient"),
    ("CANCELLED", "Timeout expired", False, "transient"),
    ("DEADLINE_EXCEEDED", "context deadline exceeded", False, "transient"),
    ("ABORTED", "conflict", False, "transient"),
    ("INTERNAL", "oops", False, "transient"),
    ("UNKNOWN", "oops", False, "transient"),
    ("RESOURCE_EXHAUSTED", "namespace rate limit exceeded", True, "rate-limited"),
    ("RESOURCE_EXHAUSTED", "workflow is busy", True, "rate-limited"),
    ("RESOURCE_EXHAUSTED", "message larger than max (4194305 vs. 4194304)", False, "permanent"),
    ("INVALID_ARGUMENT", "Blob data size exceeds limit", False, "permanent"),
    ("INVALID_ARGUMENT", "WorkflowId length exceeds limit", False, "permanent"),
    ("INVALID_ARGUMENT", "Memo size exceeds limit.", False, "permanent"),
    ("INVALID_ARGUMENT", "no mapping defined for search attribute X", False, "environment"),
    ("INVALID_ARGUMENT", "No Mapping Defined For Search Attribute X", False, "environment"),
    ("NOT_FOUND", "Namespace x is not found", False, "environment"),
    ("PERMISSION_DENIED", "Request unauthorized", False, "environment"),
    ("UNAUTHENTICATED", "no token", False, "environment"),
    ("UNIMPLEMENTED", "unknown method", False, "environment"),
    ("ALREADY_EXISTS", "and nobody says who", False, "permanent"),
    ("FAILED_PRECONDITION", "x", False, "permanent"),
    ("OUT_OF_RANGE", "x", False, "permanent"),
    ("DATA_LOSS", "x", False, "permanent"),
]


@pytest.mark.parametrize(("status", "message", "limited", "expected"), TABLE)
def test_each_answer_has_its_class(
    status: str, message: str, *, limited: bool, expected: str
) -> None:
    assert classify(CallError(status, message, limited=limited)) == expected


@pytest.mark.parametrize(("status", "message", "limited", "expected"), TABLE)
def test_only_what_is_permanent_ends_a_dispatch(
    status: str, message: str, *, limited: bool, expected: str
) -> None:
    outcome = after_failure(CallError(status, message, limited=limited), attempts=1)
    assert outcome.state == ("dead" if expected == "permanent" else "open")
    assert outcome.code == expected
    assert outcome.error == f"{status}: {message}"
    assert (outcome.pause > 0) == (outcome.state == "open")
    assert outcome.run_id is None


def test_a_value_too_long_for_a_search_attribute_is_the_events_fault() -> None:
    refusal = "search attribute CorrelationId value size 2051 exceeds size limit 2048"
    assert classify(CallError("INVALID_ARGUMENT", refusal)) == "permanent"


@given(st.integers(1, 10**9))
def test_a_pause_lies_between_half_and_the_whole_of_the_doubled_one(attempts: int) -> None:
    whole = min(0.2 * 2 ** min(attempts - 1, 20), 10.0)
    assert whole / 2 <= backoff(attempts) <= whole


def test_pauses_grow_to_ten_seconds_and_no_further() -> None:
    assert max(backoff(1) for _ in range(50)) < min(backoff(3) for _ in range(50))
    assert all(5 <= backoff(attempts) <= 10 for attempts in (7, 8, 100, 10**6))


def test_pauses_of_many_that_failed_together_are_spread() -> None:
    assert len({backoff(5) for _ in range(50)}) > 40
