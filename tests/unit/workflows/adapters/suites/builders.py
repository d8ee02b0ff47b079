"""Running a suite as small as can be, for tests of what runs it."""

import pytest

from workflows.adapters.containment import Containment, Limits
from workflows.adapters.suites.pytest_runner import PytestRunner
from workflows.messages.suites import SuiteReport, SuiteRun

LIMITS = Limits(seconds=20, cpu=20, memory=512 * 2**20, disk=8 * 2**20, output=2**20)
IMPORT = "from generated import *\n\n"


async def run(
    code: str, tests: str | None = None, *, limits: Limits = LIMITS, required: bool = True
) -> SuiteReport:
    """Run tests; by default one that calls the code's function ``act``."""
    runner = PytestRunner(Containment(limits=limits, required=required))
    tests = tests or "def test_act():\n    act()\n"
    return await runner.run(SuiteRun(key="a/run", code=code, tests=IMPORT + tests))


def forbid_namespaces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the cage fail as it does on a kernel that forbids namespaces."""
    launch = Containment._launch  # noqa: SLF001

    async def forbidden(self, command, files, work, **more):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN003, ANN202
        if work == "/cage":
            work = "/nowhere"
        return await launch(self, command, files, work, **more)

    monkeypatch.setattr(Containment, "_launch", forbidden)
