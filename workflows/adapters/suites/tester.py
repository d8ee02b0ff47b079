"""Tests generated code; the same code with the same tests is tested once a process."""

import asyncio
from collections import OrderedDict
from hashlib import sha256
from weakref import WeakValueDictionary

import structlog

from workflows.errors import ToolMissingError, UncontainedError
from workflows.messages.suites import SuiteOutcome, SuiteReport, SuiteRun
from workflows.ports import SuiteRunner

_MAX_REMEMBERED = 1000
_log = structlog.get_logger(__name__)


class SuiteTester:
    """A ``CodeTester``.

    Args:
        runner: Runs and judges the tests.
    """

    def __init__(self, runner: SuiteRunner) -> None:
        self._runner = runner
        self._reports: OrderedDict[str, SuiteReport] = OrderedDict()
        self._running: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def test(self, run: SuiteRun) -> SuiteReport:
        """Return the report; its outcome is ``not-run`` where tests cannot run."""
        digest = sha256(run.model_dump_json(exclude={"key"}).encode()).hexdigest()
        lock = self._running.setdefault(digest, asyncio.Lock())
        async with lock:
            if digest in self._reports:
                self._reports.move_to_end(digest)
                return self._reports[digest]
            try:
                report = await self._runner.run(run)
            except (UncontainedError, ToolMissingError) as error:
                _log.warning("generated code is not tested here", reason=str(error))
                return SuiteReport(outcome=SuiteOutcome.NOT_RUN, reason=str(error))
            self._reports[digest] = report
            if len(self._reports) > _MAX_REMEMBERED:
                self._reports.popitem(last=False)
            return report
