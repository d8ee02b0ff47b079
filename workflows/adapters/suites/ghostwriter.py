"""Tests written without a language model: by Hypothesis' ghostwriter, from types and names.

They are property tests: every function takes whatever its annotations allow without breaking,
and functions that belong together (encode and decode, say) undo each other. They know nothing of
what the code was meant for. Nothing of it depends on chance: the same code gets the same tests.
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
    """A ``SuiteGenerator`` that needs no language model. It imports the code, in a cage."""

    def __init__(self, containment: Containment) -> None:
        self._containment = containment

    async def generate(self, request: SuiteRequest) -> GeneratedSuite:
        """Have the ghostwriter write tests."""
        if request.language != "python":
            raise ToolMissingError(f"there is no ghostwriter for {request.language}")
        script = files("workflows.adapters.suites.in_cage").joinpath(_SCRIPT).read_text()
        caged = await self._containment.run(
            [sys.executable, f"{{work}}/{_SCRIPT}"],
            files={_SCRIPT: script, f"{MODULE}.py": request.code},
        )
        finished = caged.finished
        said = finished.stderr.decode(errors="replace").strip()[-1000:]
        if finished.timed_out:
            raise SuiteNotWrittenError("the code does not come to an end when it is imported")
        if finished.flooded:
            raise SuiteNotWrittenError("the code prints too much when it is imported")
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
