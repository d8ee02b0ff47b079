"""A lease that is kept for a block, and what becomes of the block when it cannot be."""

import asyncio

import pytest

from bridge.lifecycle import leadership
from bridge.lifecycle.leadership import kept
from eventstore.errors import Deposed, StatementFailed, Unavailable


class Lease:
    """A lease whose renewals fail one after the other."""

    name = "replay/1"

    def __init__(self, *failures: Exception) -> None:
        self._failures = list(failures)
        self.released = False

    async def renew(self) -> None:
        if self._failures:
            raise self._failures.pop(0)

    async def release(self) -> None:
        self.released = True


@pytest.mark.parametrize(
    "failure",
    [Deposed("taken by another"), StatementFailed("no such column"), ValueError("a bug")],
)
async def test_a_block_whose_lease_cannot_be_kept_is_ended_with_the_reason(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leadership, "RENEW_SECONDS", 0.01)
    lease = Lease(Unavailable("for a moment"), failure)
    with pytest.raises(type(failure), match=str(failure)):
        async with asyncio.timeout(10), kept(lease):  # type: ignore[arg-type]
            await asyncio.Event().wait()
    assert lease.released
