"""QAgent: from a prompt to code."""

import structlog
from temporalio import activity

from workflows.activities.heartbeats import heartbeating, patiently
from workflows.activities.names import missing_function
from workflows.activities.prompts import parse
from workflows.errors import PipelineError, SuiteNotWrittenError
from workflows.messages.code_generation import (
    Artifact,
    CheckReport,
    CheckRequest,
    CodeGenerationRequest,
    Fingerprint,
    GeneratedCode,
    GenerationRules,
    InformedPrompt,
    ParsedPrompt,
)
from workflows.messages.patterns import AcceptedCode, Learned, SimilarPatterns
from workflows.messages.provenance import RunReference, Seal, SealRequest
from workflows.messages.suites import (
    GeneratedSuite,
    SuiteOutcome,
    SuiteReport,
    SuiteRequest,
    SuiteRun,
)
from workflows.messages.undoing import Cleaned, CleanupRequest
from workflows.messages.verdicts import with_suite
from workflows.ports import (
    CodeChecker,
    CodeFixer,
    CodeTester,
    LLMGateway,
    Qlafs,
    SuiteGenerator,
    VectorDatabase,
)
from workflows.steps import qagent as steps

PATTERNS = 5
"""How many patterns the language model gets as examples."""
_log = structlog.get_logger(__name__)


class QAgentActivities:
    """The steps of code generation.

    Only ``learn_pattern`` and ``cleanup_code`` change anything outside; both are safe to repeat.
    """

    def __init__(
        self,
        *,
        gateway: LLMGateway,
        checker: CodeChecker,
        qlafs: Qlafs,
        patterns: VectorDatabase,
        fixer: CodeFixer | None = None,
        suites: SuiteGenerator | None = None,
        tester: CodeTester | None = None,
        rules: GenerationRules | None = None,
    ) -> None:
        self._gateway = gateway
        self._checker = checker
        self._qlafs = qlafs
        self._patterns = patterns
        self._fixer = fixer
        self._suites = suites
        self._tester = tester
        self._rules = rules or GenerationRules()

    @activity.defn(name=steps.parse_prompt.name)
    async def parse_prompt(self, request: CodeGenerationRequest) -> ParsedPrompt:
        """Normalise and validate the prompt.

        It is an activity although it is pure, so that its rules can change without breaking the
        histories of open runs.
        """
        return parse(request).model_copy(update={"rules": self._rules})

    @activity.defn(name=steps.search_patterns.name)
    async def search_patterns(self, prompt: ParsedPrompt) -> SimilarPatterns:
        """Find the patterns most similar to the prompt."""
        async with heartbeating():
            return SimilarPatterns(
                patterns=await self._patterns.similar(
                    prompt.text, language=prompt.language, limit=PATTERNS
                )
            )

    @activity.defn(name=steps.generate_code.name)
    async def generate_code(self, prompt: InformedPrompt) -> GeneratedCode:
        """Generate the code with the language model, and correct its small faults."""
        async with heartbeating():
            with patiently():
                generated = await self._gateway.generate_code(prompt)
            if self._fixer is None:
                return generated
            try:
                code = await self._fixer.fix(generated.code, generated.language)
            except PipelineError as error:
                # The checks come next; a second answer of the model would cost more.
                _log.warning("small faults of generated code stay", reason=str(error))
                return generated
            return generated.model_copy(update={"code": code})

    @activity.defn(name=steps.check_code.name)
    async def check_code(self, asked: CheckRequest) -> CheckReport:
        """Check the code. Tests that are in the request are run too."""
        async with heartbeating():
            report = await self._checker.check(asked.code, asked.language)
            if report.passed and asked.language == "python" and asked.function_name:
                missing = missing_function(asked.code, asked.function_name)
                if missing is not None:
                    found = (*report.findings, missing)
                    report = report.model_copy(update={"findings": found})
            if asked.tests is None or not report.passed:
                return report
            run_of = _run()
            run = SuiteRun(
                key=f"{run_of.workflow_id}/{run_of.run_id}",
                code=asked.code,
                tests=asked.tests,
                language=asked.language,
            )
            return with_suite(report, await self._tested(run))

    @activity.defn(name=steps.write_tests.name)
    async def write_tests(self, request: SuiteRequest) -> GeneratedSuite:
        """Write tests for the code with the language model."""
        if self._suites is None:
            raise SuiteNotWrittenError("no language model writes tests for this worker")
        async with heartbeating():
            with patiently():
                return await self._suites.generate(request)

    @activity.defn(name=steps.test_code.name)
    async def test_code(self, run: SuiteRun) -> SuiteReport:
        """Run the tests of the code, and judge them."""
        async with heartbeating():
            return await self._tested(run)

    async def _tested(self, run: SuiteRun) -> SuiteReport:
        if self._tester is None:
            return SuiteReport(outcome=SuiteOutcome.NOT_RUN, reason="this worker runs no tests")
        return await self._tester.test(run)

    @activity.defn(name=steps.fingerprint.name)
    async def fingerprint(self, artifact: Artifact) -> Fingerprint:
        """Return the fingerprint of an artifact."""
        async with heartbeating():
            return await self._qlafs.fingerprint(artifact, run=_run())

    @activity.defn(name=steps.seal.name)
    async def seal(self, request: SealRequest) -> Seal:
        """Sign a statement about all events of the run."""
        async with heartbeating():
            return await self._qlafs.seal(request, run=_run())

    @activity.defn(name=steps.learn_pattern.name)
    async def learn_pattern(self, accepted: AcceptedCode) -> Learned:
        """Store accepted code as a pattern."""
        async with heartbeating():
            return await self._patterns.learn(accepted)

    @activity.defn(name=steps.cleanup_code.name)
    async def cleanup_code(self, request: CleanupRequest) -> Cleaned:
        """Delete the patterns that a run stored, if any."""
        async with heartbeating():
            forgotten = await self._patterns.forget(request.key)
        return Cleaned(removed=tuple(f"pattern {pattern}" for pattern in forgotten))


def _run() -> RunReference:
    info = activity.info()
    return RunReference(
        namespace=info.namespace,
        workflow_type=info.workflow_type or "",
        workflow_id=info.workflow_id or "",
        run_id=info.workflow_run_id or "",
    )
