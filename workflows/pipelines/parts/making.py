"""Generates code and tests, for the pipelines that deploy them."""

from dataclasses import dataclass

from workflows.messages.code_generation import (
    Artifact,
    ArtifactType,
    CodeGenerationRequest,
    Fingerprint,
    GeneratedCode,
    InformedPrompt,
    ParsedPrompt,
)
from workflows.messages.patterns import AcceptedCode
from workflows.messages.suites import GeneratedSuite, SuiteRequest
from workflows.messages.undoing import CleanupRequest
from workflows.pipelines.parts.drafting import Draft, Drafting
from workflows.pipelines.parts.provenance import Provenance, without_fail
from workflows.platform.effects import effect_key
from workflows.platform.policies import SAGA, Policy
from workflows.platform.result_events import ResultEvents
from workflows.platform.saga import Saga
from workflows.steps import qagent, qtest


@dataclass(frozen=True)
class Made:
    """Code that was generated for a run, and what belongs to it."""

    wanted: CodeGenerationRequest
    prompt: ParsedPrompt
    draft: Draft
    fingerprint: Fingerprint | None

    @property
    def code(self) -> GeneratedCode:
        """The code that passed its checks."""
        return self.draft.code

    @property
    def tested(self) -> bool:
        """Whether tests of the code's author ran."""
        return self.draft.report.tested


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

    async def code(self, wanted: CodeGenerationRequest, *, emits: str, rejected: str) -> Made:
        """Generate, check and test code.

        Args:
            wanted: What is wanted.
            emits: The type of the event about the code.
            rejected: The type of the event about a version that goes back to the model.

        Raises:
            CodeRejectedError: The code does not pass the checks.
            ActivityError: A step failed permanently, or the run was cancelled.
        """
        cleanup = CleanupRequest(key=effect_key())
        self.saga.on_failure("clean up the code", qagent.cleanup_code, cleanup)
        prompt = await qagent.parse_prompt(wanted, policy=SAGA)
        similar = await qagent.search_patterns(prompt, policy=SAGA)
        informed = InformedPrompt(**dict(prompt), patterns=similar.patterns)
        drafting = Drafting(self.results, rejected, limits=SAGA)
        draft = await drafting.draft(informed, wanted)
        await self.results.emit(emits, draft.code)
        artifact = code_artifact(prompt, draft.code)
        fingerprint = await self.provenance.record(artifact, emits=self.recorded)
        return Made(wanted, prompt, draft, fingerprint)

    async def tests(
        self, made: Made, *, emits: str
    ) -> tuple[GeneratedSuite, Fingerprint | None]:
        """Generate tests for code.

        Raises:
            ActivityError: No tests can be generated, or the run was cancelled.
        """
        cleanup = CleanupRequest(key=effect_key())
        self.saga.on_failure("clean up the tests", qtest.cleanup_tests, cleanup)
        code = made.code
        request = SuiteRequest(
            code=code.code,
            language=code.language,
            prompt=made.prompt.text,
            target_coverage=made.wanted.target_coverage,
            coverage_policy=made.wanted.coverage_policy,
            tests=code.tests,
            author=code.model,
        )
        suite = await qtest.generate_tests(request)
        await self.results.emit(emits, suite)
        artifact = tests_artifact(code, suite)
        return suite, await self.provenance.record(artifact, emits=self.recorded)


LEARNS_TESTED = "learns-tested"
"""The patch of "a pattern is learned only from code that tests have run"."""
CODE_AGENT = "qagent-v1"
TESTS_AGENT = "qtest-v1"
"""The agents that the fingerprints name as makers."""


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
        type=ArtifactType.CODE,
    )


def tests_artifact(code: GeneratedCode, suite: GeneratedSuite) -> Artifact:
    """Return the artifact of tests, for its fingerprint."""
    return Artifact(
        content=suite.code,
        agent=TESTS_AGENT,
        inputs={"code": code.code, "generator": suite.generator},
        type=ArtifactType.TESTS,
    )
