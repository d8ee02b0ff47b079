"""QAgent: from a prompt to code."""

from temporalio import activity

from workflows.activities.heartbeats import heartbeating, patiently
from workflows.activities.prompts import parse
from workflows.messages.code_generation import (
    TESTS,
    Artifact,
    CheckReport,
    CodeGenerationRequest,
    Fingerprint,
    GeneratedCode,
    InformedPrompt,
    ParsedPrompt,
)
from workflows.messages.patterns import AcceptedCode, Learned, SimilarPatterns
from workflows.messages.provenance import RunReference, Seal, SealRequest
from workflows.messages.undoing import Cleaned, CleanupRequest
from workflows.ports import CodeChecker, CodeTester, LLMGateway, Qlafs, VectorDatabase
from workflows.steps import qagent as steps

PATTERNS = 5
"""How many patterns the language model gets as examples."""


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
        tester: CodeTester | None = None,
    ) -> None:
        self._tester = tester
        self._gateway = gateway
        self._checker = checker
        self._qlafs = qlafs
        self._patterns = patterns

    @activity.defn(name=steps.parse_prompt.name)
    async def parse_prompt(self, request: CodeGenerationRequest) -> ParsedPrompt:
        """Normalise and validate the prompt.

        It is an activity although it is pure, so that its rules can change without breaking the
        histories of open runs.
        """
        return parse(request)

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
        """Generate the code with the language model."""
        async with heartbeating():
            with patiently():
                return await self._gateway.generate_code(prompt)

    @activity.defn(name=steps.check_code.name)
    async def check_code(self, generated: GeneratedCode) -> CheckReport:
        """Check the code, and run the tests that its author wrote with it."""
        async with heartbeating():
            report = await self._checker.check(generated.code, generated.language)
            if self._tester is None or not report.passed:
                return report
            run = _run()
            found = await self._tester.test(generated, key=f"{run.workflow_id}/{run.run_id}")
            if found is None:
                return report
            return CheckReport(checks=(*report.checks, TESTS), findings=found)

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
