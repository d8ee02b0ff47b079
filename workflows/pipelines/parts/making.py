"""Generates code and tests, for the pipelines that deploy them."""

from dataclasses import dataclass

from workflows.errors import CodeRejectedError
from workflows.messages.code_generation import (
    Artifact,
    CheckReport,
    CodeGenerationRequest,
    Fingerprint,
    GeneratedCode,
    InformedPrompt,
    ParsedPrompt,
)
from workflows.messages.patterns import AcceptedCode
from workflows.messages.suites import GeneratedSuite, SuiteRequest
from workflows.messages.undoing import CleanupRequest
from workflows.pipelines.parts.provenance import Provenance, without_fail
from workflows.platform.effects import effect_key
from workflows.platform.policies import SAGA, Policy
from workflows.platform.result_events import ResultEvents
from workflows.platform.saga import Saga
from workflows.steps import qagent, qtest


@dataclass(frozen=True)
class Making:
    """Generates code and tests for a run that may need to undo them.

    Each step registers its compensation first, and then emits a result event and a fingerprint.

    Attributes:
        saga: The run's compensations.
        results: The run's result events.
        provenance: The run's statements.
        recorded: The type of the events with fingerprints.
    """

    saga: Saga
    results: ResultEvents
    provenance: Provenance
    recorded: str

    async def code(
        self, wanted: CodeGenerationRequest, *, emits: str
    ) -> tuple[ParsedPrompt, GeneratedCode, Fingerprint | None, bool]:
        """Generate and check code; the last value is whether tests of its author ran.

        Raises:
            CodeRejectedError: The code does not pass the checks.
            ActivityError: A step failed permanently, or the run was cancelled.
        """
        cleanup = CleanupRequest(key=effect_key())
        self.saga.on_failure("clean up the code", qagent.cleanup_code, cleanup)
        prompt, code, report = await make_code(wanted)
        await self.results.emit(emits, code)
        artifact = code_artifact(prompt, code)
        fingerprint = await self.provenance.record(artifact, emits=self.recorded)
        return prompt, code, fingerprint, report.tested

    async def tests(
        self, prompt: ParsedPrompt, code: GeneratedCode, target_coverage: float, *, emits: str
    ) -> tuple[GeneratedSuite, Fingerprint | None]:
        """Generate tests for code.

        Raises:
            ActivityError: No tests can be generated, or the run was cancelled.
        """
        cleanup = CleanupRequest(key=effect_key())
        self.saga.on_failure("clean up the tests", qtest.cleanup_tests, cleanup)
        suite = await make_tests(prompt, code, target_coverage)
        await self.results.emit(emits, suite)
        artifact = tests_artifact(code, suite)
        return suite, await self.provenance.record(artifact, emits=self.recorded)


LEARNS_TESTED = "learns-tested"
"""The patch of "a pattern is learned only from code that tests have run"."""
CODE_AGENT = "qagent-v1"
TESTS_AGENT = "qtest-v1"
"""The agents that the fingerprints name as makers."""


async def make_code(
    request: CodeGenerationRequest,
) -> tuple[ParsedPrompt, GeneratedCode, CheckReport]:
    """Generate code for a prompt, with the most similar patterns as examples, and check it.

    Raises:
        CodeRejectedError: The code does not pass the checks.
        ActivityError: A step failed permanently, or the run was cancelled.
    """
    prompt = await qagent.parse_prompt(request, policy=SAGA)
    similar = await qagent.search_patterns(prompt, policy=SAGA)
    informed = InformedPrompt(**dict(prompt), patterns=similar.patterns)
    code = await qagent.generate_code(informed, policy=SAGA)
    report = await qagent.check_code(code, policy=SAGA)
    if not report.passed:
        raise rejection(report)
    return prompt, code, report


async def make_tests(
    prompt: ParsedPrompt, code: GeneratedCode, target_coverage: float
) -> GeneratedSuite:
    """Generate tests for code.

    Raises:
        ActivityError: No tests can be generated, or the run was cancelled.
    """
    request = SuiteRequest(
        code=code.code,
        language=code.language,
        prompt=prompt.text,
        target_coverage=target_coverage,
        tests=code.tests,
        author=code.model,
    )
    return await qtest.generate_tests(request)


async def learn(prompt: ParsedPrompt, code: GeneratedCode, policy: Policy = SAGA) -> None:
    """Store accepted code as a pattern; a failure is only logged.

    ``qagent.cleanup_code`` undoes it; a run that never undoes it need not wait for its end.

    Raises:
        ActivityError: The run was cancelled.
    """
    accepted = AcceptedCode(
        key=effect_key(), prompt=prompt.text, code=code.code, language=code.language
    )
    await without_fail(qagent.learn_pattern(accepted, policy=policy), "no pattern was learned")


def code_artifact(prompt: ParsedPrompt, code: GeneratedCode) -> Artifact:
    """Return the artifact of code, for its fingerprint."""
    return Artifact(
        content=code.code,
        agent=CODE_AGENT,
        inputs={"prompt": prompt.text, "language": prompt.language, "model": code.model},
    )


def tests_artifact(code: GeneratedCode, suite: GeneratedSuite) -> Artifact:
    """Return the artifact of tests, for its fingerprint."""
    return Artifact(
        content=suite.code,
        agent=TESTS_AGENT,
        inputs={"code": code.code, "generator": suite.generator},
    )


def rejection(report: CheckReport) -> CodeRejectedError:
    """Return the error with the findings for which code was rejected."""
    findings = "; ".join(
        f"{finding.check} {finding.rule}"
        + (f" in line {finding.line}" if finding.line else "")
        + f": {finding.message}"
        for finding in report.findings
    )
    return CodeRejectedError(f"the generated code does not pass: {findings}")
