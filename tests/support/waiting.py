"""Waiting for something to become so: the one place where tests look again and again."""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar, overload

_T = TypeVar("_T")

_EVERY = 0.02


@overload
async def eventually(
    probe: Callable[[], Awaitable[_T | None]],
    *,
    within: float = ...,
    what: str = ...,
    forgive: tuple[type[Exception], ...] = ...,
) -> _T: ...
@overload
async def eventually(
    probe: Callable[[], _T | None],
    *,
    within: float = ...,
    what: str = ...,
    forgive: tuple[type[Exception], ...] = ...,
) -> _T: ...
async def eventually(
    probe: Callable[[], Any],
    *,
    within: float = 45.0,
    what: str = "",
    forgive: tuple[type[Exception], ...] = (AssertionError,),
) -> Any:
    """Ask `probe` until it returns something true, and return that.

    Args:
        probe: a function or coroutine function without arguments.
        within: seconds until it must be so.
        what: is hoped for, for the message of the failure.
        forgive: errors of the probe that mean "not yet".

    Raises:
        AssertionError: it did not become so; says what the probe gave last.
    """
    last: object = None
    patience = asyncio.timeout(within)
    try:
        async with patience:
            while True:
                try:
                    answer = probe()
                    value = await answer if inspect.isawaitable(answer) else answer
                except forgive as error:
                    last = error
                else:
                    if value:
                        return value
                    last = value
                await asyncio.sleep(_EVERY)
    except TimeoutError:
        if not patience.expired():
            raise  # the probe's own
    raise AssertionError(f"not within {within:g} s: {what or probe}; last: {last!r}")


async def line(log: Path, pattern: str, *, within: float = 45.0, start: int = 0) -> str:
    """Wait for a line of a growing file that the regular expression is found in, and return it.

    Args:
        log: the file; need not be there yet.
        pattern: is searched for in each line.
        within: seconds until it must be there.
        start: byte to read from, to pass over what an earlier run wrote.
    """
    wanted = re.compile(pattern)

    def look() -> str | None:
        if not log.exists():
            return None
        text = log.read_bytes()[start:].decode(errors="replace")
        return next((entry for entry in text.splitlines() if wanted.search(entry)), None)

    return await eventually(look, within=within, what=f"a line like {pattern!r} in {log}")
