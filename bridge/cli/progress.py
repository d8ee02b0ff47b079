"""Progress of a long command, on standard error."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bridge.cli.common import note
from bridge.runtime.terminal import console, escaped

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_EVERY_SECONDS = 1.0
_BAR_EVERY_SECONDS = 5.0
_MINUTE = 60


class Progress:
    """Prints at most once a second how many of how many are done; nothing for short work."""

    def __init__(self, done: str, total: int) -> None:
        self._word = done
        self._total = total
        self._count = 0
        self._printed_at = time.monotonic()

    def step(self, count: int = 1) -> None:
        """Count more as done."""
        self._count += count
        now = time.monotonic()
        if now - self._printed_at >= _EVERY_SECONDS:
            self._printed_at = now
            note(f"{self._count} of {self._total} {self._word}")


class Bar:
    """A bar with rate and remaining time in a terminal, else a line every few seconds.

    Use as a context manager.

    Args:
        done: The participle, such as ``replayed``.
        total: How many there are; None if unknown.
    """

    def __init__(self, done: str, total: int | None) -> None:
        self._word = done
        self._total = total
        self._began = self._printed_at = time.monotonic()
        self._first = 0
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None
        self.count = 0
        """How many are done."""

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            self._bar = _bar()
            self._task = self._bar.add_task(self._word, total=self._total)
            self._bar.start()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def skip(self, count: int) -> None:
        """Count some as done before; they do not count for the rate."""
        self._first += count
        self.step(count)

    def step(self, count: int = 1) -> None:
        """Count more as done."""
        self.count += count
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=self.count)
            return
        now = time.monotonic()
        if now - self._printed_at >= _BAR_EVERY_SECONDS:
            self._printed_at = now
            note(self._line(now))

    def say(self, text: str) -> None:
        """Show a text: in a terminal in the bar, instead of the participle."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, description=escaped(text or self._word))
        elif text:
            note(text)

    def _line(self, now: float) -> str:
        rate = (self.count - self._first) / (now - self._began)
        if self._total is None:
            return f"{self.count} {self._word}, {rate:.0f}/s"
        left = f", {_duration((self._total - self.count) / rate)} left" if rate else ""
        return f"{self.count} of {self._total} {self._word}, {rate:.0f}/s{left}"


def _bar() -> "RichProgress":
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        ProgressColumn,
        Task,
        TextColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text
    from typing_extensions import override

    class Rate(ProgressColumn):
        @override
        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text("" if speed is None else f"{speed:,.0f}/s")

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeRemainingColumn(),
        console=console(to_stderr=True),
        # rich must not redirect output that goes into a pipe or a file.
        redirect_stdout=sys.stdout.isatty(),
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), _MINUTE)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
