"""The phases of a run, drawn in a terminal until it ends."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from bridge.runtime.terminal import console, escaped
from workflows.commands.stages import (
    AHEAD,
    DONE,
    FAILED,
    RUNNING,
    SKIPPED,
    WARNED,
    StageLine,
    Stages,
)

_MARKS = {
    AHEAD: ("·", "dim"),
    DONE: ("✓", "green"),
    WARNED: ("!", "yellow"),
    SKIPPED: ("○", "dim"),
    FAILED: ("✗", "red"),
}


class Drawing:
    """The table that `rich` redraws; it reads the stages each time."""

    def __init__(self, stages: Stages) -> None:
        self._stages = stages
        self._spinner = Spinner("dots", style="cyan")
        self._seen = time.monotonic()
        self._running: StageLine | None = None

    def __rich__(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=1)
        table.add_column()
        table.add_column(justify="right")
        table.add_column()
        for step in self._stages.steps:
            table.add_row(
                self._spinner if step.state == RUNNING else Text(*_MARKS[step.state]),
                Text(step.phase, "bold" if step.state == RUNNING else ""),
                self._seconds(step),
                Text(escaped(step.note), "yellow"),
            )
        return table

    def _seconds(self, step: StageLine) -> str:
        if step.state != RUNNING:
            return "" if step.seconds is None else f"{step.seconds:.1f} s"
        if self._running is not step:
            self._running, self._seen = step, time.monotonic()
        return f"{time.monotonic() - self._seen:.0f} s"


@contextmanager
def drawn(stages: Stages) -> Iterator[None]:
    """Draw the stages in the terminal while the body runs; the last table stays."""
    with Live(Drawing(stages), console=console(), refresh_per_second=8):
        yield
