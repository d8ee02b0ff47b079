"""A plugin of pytest that says which files of tests take the processor: `make test ARGS="-p tests.support.processor_time"`.

Counts this process and all those below it: servers, daemons, workers, also those that have ended. What servers do
for one file while another one runs counts for the other; what a session starts once counts for the file that asks
first. Unlike the time by the clock, it is nearly the same on a busy machine.
"""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

import psutil
import pytest

_KEY: Final = "processor_time"
_SHOWN: Final = 40


def seconds_of_all() -> float:
    """Return the seconds that this process and all below it have computed."""
    total = 0.0
    for process in (me := psutil.Process(), *me.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            total += sum(process.cpu_times()[:4])  # user, system, and those of ended children
    return total


class Clock:
    """Adds up the seconds of each file."""

    def __init__(self) -> None:
        self.found: dict[str, float] = defaultdict(float)
        self._file = "(starting)"
        self._at = 0.0

    def turn_to(self, file: str) -> None:
        """Count from now on for a file."""
        if file == self._file:
            return
        now = seconds_of_all()
        self.found[self._file] += max(0.0, now - self._at)
        self._file, self._at = file, now


def pytest_configure(config: pytest.Config) -> None:
    """Register the clock of this process."""
    config.pluginmanager.register(Plugin(), _KEY)


class Plugin:
    """Measures in each worker, and shows in the controller what all of them found."""

    def __init__(self) -> None:
        self._clock = Clock()
        self._all: dict[str, float] = defaultdict(float)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, location: tuple[str, int | None, str]) -> None:
        """Begin with a test."""
        self._clock.turn_to(location[0])

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Hand over what this worker found."""
        self._clock.turn_to("(ending)")
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_KEY] = dict(self._clock.found)
        elif not self._all:
            self._all = self._clock.found

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Collect what a worker found."""
        found: Mapping[str, float] = getattr(node, "workeroutput", {}).get(_KEY, {})
        for file, seconds in found.items():
            self._all[file] += seconds

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Show the files that took most."""
        terminalreporter.section("processor time")
        terminalreporter.write_line(f"{sum(self._all.values()):8.1f} s in all")
        for file, seconds in sorted(self._all.items(), key=lambda each: -each[1])[:_SHOWN]:
            terminalreporter.write_line(f"{seconds:8.1f} s {file}")
