"""From a prompt to code with tests, for the pipelines that go on from there."""

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
    """Has code and tests made for a run that may have to undo them.

    Each is registered with the saga before it is begun, told by a result event, and
    fingerprinted.

    Attributes:
        saga: Of the run.
        results: Of the run.
        provenance: Of the run.
        recorded: The type of the events that tell fingerprints.
    """

    saga: Saga
    results: ResultEvents
    provenance: Provenance
    recorded: str

    async def code(
        self, wanted: CodeGenerationRequest, *, emits: str
    ) -> tuple[ParsedPrompt, GeneratedCode, Fingerprint | None]:
        """Have code written and checked.

        Raises:
            CodeRejectedError: The code does not pass the checks.
            ActivityError: A step failed for good, or the run was cancelled.
        """
        cleanup = CleanupRequest(key=effect_key())
        self.saga.on_failure("clean up the code", qagent.cleanup_code, cleanup)
        prompt, code = await make_code(wanted)
        await self.results.emit(emits, code)
        artifact = code_artifact(prompt, code)
        return prompt, code, await self.provenance.record(artifact, emits=self.recorded)

    async def tests(
        self, prompt: ParsedPrompt, code: GeneratedCode, target_coverage: float, *, emits: str
    ) -> tuple[GeneratedSuite, Fingerprint | None]:
        """Have tests written for code.

        Raises:
            ActivityError: None can be written, or the run was cancelled.
        """
        cleanup = CleanupRequest(key=effect_key())
        self.saga.on_failure("clean up the tests", qtest.cleanup_tests, cleanup)
        suite = await make_tests(prompt, code, target_coverage)
        await self.results.emit(emits, suite)
        artifact = tests_artifact(code, suite)
        return suite, await self.provenance.record(artifact, emits=self.recorded)


CODE_AGENT = "qagent-v1"
TESTS_AGENT = "qtest-v1"
"""Whom the fingerprints name as the makers."""


async def make_code(request: CodeGenerationRequest) -> tuple[ParsedPrompt, GeneratedCode]:
    """Have code written for a prompt, shown the most similar patterns, and check it.

    Raises:
        CodeRejectedError: The code does not pass the checks.
        ActivityError: A step failed for good, or the run was cancelled.
    """
    prompt = await qagent.parse_prompt(request, policy=SAGA)
    similar = await qagent.search_patterns(prompt, policy=SAGA)
    informed = InformedPrompt(**dict(prompt), patterns=similar.patterns)
    code = await qagent.generate_code(informed, policy=SAGA)
    report = await qagent.check_code(code, policy=SAGA)
    if not report.passed:
        raise rejection(report)
    return prompt, code


async def make_tests(
    prompt: ParsedPrompt, code: GeneratedCode, target_coverage: float
) -> GeneratedSuite:
    """Have tests written for code.

    Raises:
        ActivityError: None can be written, or the run was cancelled.
    """
    request = SuiteRequest(
        code=code.code,
        language=code.language,
        prompt=prompt.text,
        target_coverage=target_coverage,
    )
    return await qtest.generate_tests(request)


async def learn(prompt: ParsedPrompt, code: GeneratedCode, policy: Policy = SAGA) -> None:
    """Have accepted code remembered as a pattern; a failure of that is logged and no more.

    ``qagent.cleanup_code`` undoes it; a run that never undoes it need not wait for its end.

    Raises:
        ActivityError: The run was cancelled.
    """
    accepted = AcceptedCode(
        key=effect_key(), prompt=prompt.text, code=code.code, language=code.language
    )
    await without_fail(qagent.learn_pattern(accepted, policy=policy), "no pattern was learned")


def code_artifact(prompt: ParsedPrompt, code: GeneratedCode) -> Artifact:
    """Return what the fingerprint of code is taken of."""
    return Artifact(
        content=code.code,
        agent=CODE_AGENT,
        inputs={"prompt": prompt.text, "language": prompt.language, "model": code.model},
    )


def tests_artifact(code: GeneratedCode, suite: GeneratedSuite) -> Artifact:
    """Return what the fingerprint of tests is taken of."""
    return Artifact(
        content=suite.code,
        agent=TESTS_AGENT,
        inputs={"code": code.code, "generator": suite.generator},
    )


def rejection(report: CheckReport) -> CodeRejectedError:
    """Return the error that says why code was rejected."""
    findings = "; ".join(
        f"{finding.check} {finding.rule}"
        + (f" in line {finding.line}" if finding.line else "")
        + f": {finding.message}"
        for finding in report.findings
    )
    return CodeRejectedError(f"the generated code does not pass: {findings}")
