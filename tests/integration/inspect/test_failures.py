"""Dead letters grouped by failure, and the letters of one."""

import pytest

from bridge.inspect.failures import Failure, Failures
from eventstore.database import Database
from tests.support.past import died


async def test_letters_that_failed_alike_are_one_group(database: Database) -> None:
    for number in range(3):
        await died(
            database,
            f"order 'A{number}' has 12{number} items; see 6d1b3a52-6f0f-5a53-9f0b-0e6c5f6f7a1{number}\nmore",
        )
    await died(database, "no id")
    closed = await died(database, "order 'B' has 1 items; see nothing")
    await database.execute(
        "update dead_letters set state = 'dropped', closed_at = now() where id = $1", closed
    )
    failures = Failures(database)
    often, once = await failures.groups(10)
    assert often.shape == "order '…' has … items; see …"
    assert (often.letters, once.letters) == (3, 1)
    assert often.first <= often.last
    kind = Failure(stage="intake", code="decode", route=None, shape=often.shape)
    letters = await failures.letters(kind, 2)
    rest = await failures.letters(kind, 2, after=letters[-1].id)
    assert [len(letters), len(rest)] == [2, 1]
    assert letters[0].reason.startswith("order 'A0'")


@pytest.mark.parametrize("reason", ["", "\n", "x" * 20_000, "'", "'…' \"", "😀 1"])
async def test_any_reason_has_a_shape(database: Database, reason: str) -> None:
    await died(database, reason)
    [group] = await Failures(database).groups(10)
    assert len(group.shape) <= 300
