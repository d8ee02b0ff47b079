import pytest

from eventstore import expected as expectations
from eventstore.expected import Any, Exact, ExpectedVersion, NoStream, StreamExists


@pytest.mark.parametrize(
    ("expected", "actual", "holds"),
    [
        (Any(), 0, True),
        (Any(), 7, True),
        (NoStream(), 0, True),
        (NoStream(), 1, False),
        (StreamExists(), 0, False),
        (StreamExists(), 1, True),
        (Exact(0), 0, True),
        (Exact(3), 3, True),
        (Exact(3), 2, False),
        (Exact(3), 4, False),
    ],
)
def test_the_rule(expected: ExpectedVersion, actual: int, *, holds: bool) -> None:
    assert expectations.holds(expected, actual) is holds


def test_versions_below_zero_are_no_expectation() -> None:
    with pytest.raises(ValueError, match="count from 1"):
        Exact(-1)


def test_each_expectation_has_words_and_a_code() -> None:
    every: list[ExpectedVersion] = [Any(), NoStream(), StreamExists(), Exact(4)]
    assert [expectations.encode(one) for one in every] == [None, 0, -1, 4]
    assert len({expectations.describe(one) for one in every}) == len(every)
