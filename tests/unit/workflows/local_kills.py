"""Being killed between any two things that are written."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from workflows.adapters.local import files

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
