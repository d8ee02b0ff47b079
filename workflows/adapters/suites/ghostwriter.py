"""Generates tests without a language model: Hypothesis' ghostwriter, from types and names.

They are property tests: every function accepts all values that its annotations allow and returns
what its annotation says, and pairs of functions (such as encode and decode) undo each other. They do not test the purpose of the code. The
same code always gets the same tests.
"""

import sys
from importlib.metadata import version
from importlib.resources import files

from workflows.adapters.containment import Containment
from workflows.errors import SuiteNotWrittenError, ToolMissingError
from workflows.messages.suites import MODULE, GeneratedSuite, SuiteRequest

_SCRIPT = "write_suite.py"
_NOTHING_TO_TEST = 3


class GhostwriterSuites:
    """A ``SuiteGenerator`` without a language model. It imports the code in a cage."""

    def __init__(self, containment: Containment) -> None:
        self._containment = containment

    async def generate(self, request: SuiteRequest) -> GeneratedSuite:
        """Generate tests with the ghostwriter."""
        if request.language != "python":
            raise ToolMissingError(f"no ghostwriter exists for {request.language}")
        script = files("workflows.adapters.suites.in_cage").joinpath(_SCRIPT).read_text()
        caged = await self._containment.run(
            [sys.executable, f"{{work}}/{_SCRIPT}"],
            files={_SCRIPT: script, f"{MODULE}.py": request.code},
        )
        finished = caged.finished
        said = finished.stderr.decode(errors="replace").strip()[-1000:]
        if finished.timed_out:
            raise SuiteNotWrittenError("the import of the code does not end")
        if finished.flooded:
            raise SuiteNotWrittenError("the import of the code prints too much")
        if finished.code == _NOTHING_TO_TEST:
            raise SuiteNotWrittenError(said)
        if finished.code != 0 or not finished.stdout:
            raise SuiteNotWrittenError(
                f"the code cannot be imported for its tests (code {finished.code}): {said}"
            )
        return GeneratedSuite(
            code=finished.stdout.decode(errors="replace"),
            language=request.language,
            generator=f"hypothesis-ghostwriter/{version('hypothesis')}",
            target_coverage=request.target_coverage,
        )
