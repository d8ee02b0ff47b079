"""A closure event fits into a message of the results stream, whatever the run ended with."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from bridge.closures.event import RunsIn, closing, size_of
from bridge.cloudevents.codec import to_json
from bridge.cloudevents.lineage import originating
from bridge.temporal.endings import Ending
from eventstore.prepared import StreamAppend

CAUSE = {"message": "z" * 4000, "type": "Cause"}
FAILURE = {"message": "é" * 4000, "type": "T" * 4000, "by": "someone", "cause": CAUSE}


@dataclass
class Made:
    """A closure event, and what is in it."""

    append: StreamAppend

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = msgspec.json.decode(self.append.events[0].event.data or b"")
        return data


def made(most: int | None, workflow_id: str = "order/1", **how: Any) -> Made:
    ending = Ending(
        workflow_id="order/1",
        run_id="run",
        first_run_id="run",
        workflow_type="Order",
        task_queue="orders",
        status="failed" if "failure" in how else "completed",
        attempt=1,
        started_at=datetime(2026, 1, 1, tzinfo=UTC),
        closed_at=datetime(2026, 1, 2, tzinfo=UTC),
        **how,
    )
    lineage = originating("/temporal/default/Order", workflow_id)
    return Made(closing(ending, lineage, RunsIn("default", "dev.ntbridge"), UUID(int=1), most))


@pytest.mark.parametrize(
    "how", [{"result": b'"' + b"x" * 9000 + b'"'}, {"failure": FAILURE}], ids=str
)
def test_its_size_is_that_of_the_message(how: dict[str, Any]) -> None:
    append = made(None, **how).append
    assert size_of(append) == len(to_json(append.events[0].event))


def test_a_result_that_does_not_fit_is_omitted_and_one_that_does_is_kept() -> None:
    result = b'"' + b"x" * 9000 + b'"'
    size = size_of(made(None, result=result).append)
    kept = made(size, result=result)
    assert kept.data["result"] == "x" * 9000
    omitted = made(size - 1, result=result)
    assert "result" not in omitted.data
    assert omitted.data["result_omitted"] == (
        f"the event would have {size} bytes, a message of the results stream at most {size - 1}; "
        "Temporal has the result"
    )
    assert omitted.data["status"] == "completed"


@pytest.mark.parametrize(
    ("most", "length"), [(14_000, 4000), (5_000, 1000), (3_000, 250), (1_250, 50)]
)
def test_a_failure_loses_its_causes_first_and_then_the_ends_of_its_texts(
    most: int, length: int
) -> None:
    cut = made(most, failure=FAILURE)
    assert size_of(cut.append) <= most
    assert cut.data["failure"] == {
        "message": "é" * length,
        "type": "T" * length,
        "by": "someone",
    }
    assert "Temporal has the whole failure" in cut.data["failure_cut"]


def test_what_fits_or_has_no_maximum_is_whole() -> None:
    for most in (None, 1_000_000):
        whole = made(most, failure=FAILURE)
        assert whole.data["failure"] == FAILURE
        assert "failure_cut" not in whole.data


def test_attributes_that_a_publisher_made_very_long_are_left_out_last() -> None:
    long = made(2000, workflow_id="c" * 100_000, result=b"1")
    assert size_of(long.append) <= 2000
    assert long.data["result"] == 1
    assert long.append.events[0].event.extensions == {"hops": 0}
    assert long.append.events[0].correlation_id == "c" * 100_000
