"""Which result events are wanted, and which of them tells the end of a run."""

import pytest
from msgspec.structs import replace

from bridge.cel import compile_expression
from bridge.evaluation import Evaluator
from bridge.results.events import Result, ResultFilter, result_of
from tests.unit.bridge.builders import EVENT, stored

OF_A_RUN = replace(
    EVENT,
    source="/temporal/default/Ship",
    subject="ship/7",
    data=b'{"n": 2}',
    datacontenttype="application/json",
    extensions={"correlationid": "c-1"},
)
RESULT = Result(OF_A_RUN, "results.shop.shipped", 5)


def closure(state: str, prefix: str = "dev.ntbridge") -> Result:
    event = replace(OF_A_RUN, type=f"{prefix}.workflow.{state}.v1")
    return Result(event, "results.workflow.Ship")


@pytest.mark.parametrize(
    ("topic", "closes", "failed"),
    [
        ("results.shop.completed", True, False),
        ("results.shop.failed", True, True),
        ("results.shop.shipped", False, False),
    ],
)
def test_a_workflow_s_own_last_event_closes(topic: str, closes: bool, failed: bool) -> None:  # noqa: FBT001
    result = Result(OF_A_RUN, topic)
    assert (result.closes, result.failed) == (closes, failed)


@pytest.mark.parametrize(
    ("data", "failed"),
    [
        (b'{"status": "REJECTED"}', True),
        (b'{"status": "TIMEOUT"}', True),
        (b'{"status": "COMPLETED"}', False),
        (b'{"status": "shipped"}', False),
        (b"[1]", False),
        (b"{", False),
        (None, False),
    ],
)
def test_a_run_that_was_denied_has_not_completed(data: bytes | None, failed: bool) -> None:  # noqa: FBT001
    event = replace(OF_A_RUN, data=data, datacontenttype="application/json")
    assert Result(event, "results.infra.completed").failed is failed


@pytest.mark.parametrize(
    ("state", "closes"),
    [
        ("completed", True),
        ("failed", True),
        ("timed-out", True),
        ("canceled", True),
        ("terminated", True),
        ("continued-as-new", False),
    ],
)
def test_a_closure_closes_unless_the_run_goes_on(state: str, closes: bool) -> None:  # noqa: FBT001
    result = closure(state)
    assert (result.closes, result.failed) == (closes, state != "completed")
    # Recorded before the prefix was changed.
    earlier = closure(state, "io.quantum-suite")
    assert (earlier.closes, earlier.failed) == (result.closes, result.failed)


@pytest.mark.parametrize(
    "wanted",
    [
        ResultFilter(),
        ResultFilter(correlation="c-1"),
        ResultFilter(type=OF_A_RUN.type),
        ResultFilter(type="com.example.*"),
        ResultFilter(workflow="Ship"),
        ResultFilter(workflow="ship/7"),
        ResultFilter(
            where=compile_expression("data.n == 2 && event.topic.endsWith('shipped')", "bool")
        ),
    ],
)
async def test_what_is_wanted(wanted: ResultFilter) -> None:
    assert await wanted.matches(RESULT, Evaluator())


@pytest.mark.parametrize(
    "wanted",
    [
        ResultFilter(correlation="c-2"),
        ResultFilter(type="com.example"),
        ResultFilter(workflow="hip"),
        ResultFilter(where=compile_expression("data.m == 2", "bool")),
        ResultFilter(correlation="c-1", workflow="Other"),
    ],
)
async def test_what_is_not(wanted: ResultFilter) -> None:
    assert not await wanted.matches(RESULT, Evaluator())


def test_a_stored_event_looks_as_it_was_published() -> None:
    result = result_of(stored())
    assert (result.type, result.position, result.sequence) == (EVENT.type, 1, None)
    assert RESULT.data == {"n": 2}
    assert Result(replace(EVENT, data=None), "results.x.y").data is None
