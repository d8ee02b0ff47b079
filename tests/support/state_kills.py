"""A worker that dies between any two things that it writes, to Postgres or to the object store."""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest

from bridge.runtime.object_store import ObjectStore
from workflows.adapters.shared.locks import LockedSession

World = TypeVar("World")

WRITES: tuple[tuple[type, str], ...] = (
    (LockedSession, "execute"),
    (LockedSession, "transaction"),
    (ObjectStore, "put"),
    (ObjectStore, "delete"),
)


class Killed(BaseException):
    """Stands for SIGKILL: nothing that runs in the process may answer it."""


@contextmanager
def killed_at(number: int, also: Sequence[tuple[type, str]] = ()) -> Iterator[list[int]]:
    """Die before the write with this number (from 0); yield how many there were.

    ``also`` names further methods that count as writes.
    """
    calls = [0]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **named: Any) -> Any:
            if calls[0] == number:
                raise Killed
            calls[0] += 1
            return function(*arguments, **named)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in (*WRITES, *also):
            patch.setattr(owner, name, counted(getattr(owner, name)))
        yield calls


async def at_every_moment(
    world: Callable[[int], World],
    before: Callable[[World], Awaitable[object]],
    act: Callable[[World], Awaitable[object]],
    after: Callable[[World], Awaitable[object]],
    also: Sequence[tuple[type, str]] = (),
) -> int:
    """Kill an act before each of its writes, each time in its own world; check what follows.

    Returns how many writes it has.
    """
    moment = 0
    while True:
        await before(world(moment))
        with killed_at(moment, also) as calls:
            try:
                await act(world(moment))
            except Killed:
                pass
            else:
                return calls[0]
        await after(world(moment))
        moment += 1
