"""Being killed between any two things that are written."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

from workflows.adapters.local import files

World = TypeVar("World")

WRITING = ("write", "move", "point", "remove", "sync")


class Killed(BaseException):
    """Stands for SIGKILL: nothing that runs in the process may answer it."""


@contextmanager
def killed_at(number: int) -> Iterator[list[int]]:
    """Die before the call with this number (from 0) to what writes; says how many there were."""
    calls = [0]

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            if calls[0] == number:
                raise Killed
            calls[0] += 1
            return function(*arguments)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in WRITING:
            patch.setattr(files, name, counted(getattr(files, name)))
        yield calls


async def at_every_moment(
    folder: Path,
    world: Callable[[Path], World],
    before: Callable[[World], Awaitable[object]],
    act: Callable[[World], Awaitable[object]],
    after: Callable[[World], Awaitable[object]],
) -> int:
    """Kill an act at every moment it has, each in a world of its own, and see what comes after it.

    Returns how many moments it had.
    """
    moment = 0
    while True:
        mine = world(folder / str(moment))
        await before(mine)
        with killed_at(moment) as calls:
            try:
                await act(mine)
            except Killed:
                pass
            else:
                return calls[0]
        await after(world(folder / str(moment)))
        moment += 1
