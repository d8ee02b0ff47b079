"""What a run learns about the event that caused it."""

from typing import Any

import msgspec
import pytest

from bridge.lineage import hops_of, memo_of
from tests.unit.bridge.builders import CORRELATION, EVENT, stored


@pytest.mark.parametrize(
    ("hops", "counted"),
    [(2, 2), ("2", 2), ("two", 0), (-1, 0), (True, 0), ("", 0), ("9" * 5000, 0)],
)
def test_hops_that_are_no_count_count_for_nothing(hops: Any, counted: int) -> None:
    assert hops_of(msgspec.structs.replace(EVENT, extensions={"hops": hops})) == counted


def test_a_run_learns_what_caused_it() -> None:
    assert memo_of("ship", stored()) == {
        "uid": str(EVENT.uid),
        "route": "ship",
        "correlation_id": "c-1",
        "correlation_uid": str(CORRELATION),
        "hops": 2,
    }
