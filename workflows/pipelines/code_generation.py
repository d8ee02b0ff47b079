"""Code generation: from a prompt to checked code with a fingerprint. The sequential pattern."""

from enum import StrEnum

from temporalio import workflow
from temporalio.common import RawValue

from workflows.messages.code_generation import (
    CodeGenerationRequest,
    CodeGenerationResult,
    InformedPrompt,
    ParsedPrompt,
)
from workflows.pipelines.parts.conclusion import conclude
from workflows.pipelines.parts.drafting import REPAIRS, Drafting
from workflows.pipelines.parts.making import LEARNS_TESTED, code_artifact, learn
from workflows.pipelines.parts.provenance import Provenance, without_fail
from workflows.platform.inputs import NO_INPUT, read_input
from workflows.platform.policies import GENERATION
from workflows.platform.result_events import ResultEvents
from workflows.steps import qagent

LEARNS_AND_SEALS = "learns-and-seals"
"""The patch with which older runs, which did neither, still replay."""


class Emits(StrEnum):
    """The result events of this workflow, in the order of a successful run."""

    PROMPT_PARSED = "io.quantum-suite.code-generation.prompt-parsed.v1"
    CODE_GENERATED = "io.quantum-suite.code-generation.code-generated.v1"
    CODE_REJECTED = "io.quantum-suite.code-generation.code-rejected.v1"
    """A version goes back to the model; then the next one is generated."""
    CODE_VALIDATED = "io.quantum-suite.code-generation.code-validated.v1"
    FINGERPRINT_RECORDED = "io.quantum-suite.code-generation.fingerprint-recorded.v1"
    COMPLETED = "io.quantum-suite.code-generation.completed.v1"
    FAILED = "io.quantum-suite.code-generation.failed.v1"


@workflow.defn(name="CodeGenerationWorkflow")
class CodeGenerationWorkflow:
    """Takes a ``CodeGenerationRequest`` and returns a ``CodeGenerationResult``."""

    @workflow.run
    async def run(self, argument: RawValue = NO_INPUT) -> CodeGenerationResult:
        """Run the pipeline; a closing event reports its outcome in every case."""
        results = ResultEvents()
        provenance = Provenance(results)
        return await conclude(
            self._generate(argument, results, provenance),
            results=results,
            completed=Emits.COMPLETED,
            failed=Emits.FAILED,
            provenance=provenance if workflow.patched(LEARNS_AND_SEALS) else None,
        )

    async def _generate(
        self, argument: RawValue, results: ResultEvents, provenance: Provenance
    ) -> CodeGenerationResult:
        request = read_input(argument, CodeGenerationRequest)

        prompt = await qagent.parse_prompt(request)
        await results.emit(Emits.PROMPT_PARSED, prompt)

        drafting = Drafting(results, Emits.CODE_REJECTED, Emits.CODE_GENERATED)
        draft = await drafting.draft(await _informed(prompt), request)
        generated, report = draft.code, draft.report
        await results.emit(Emits.CODE_VALIDATED, report)

        fingerprint = await provenance.record(
            code_artifact(prompt, generated),
            emits=Emits.FINGERPRINT_RECORDED,
            needed=prompt.rules.needs_fingerprint and workflow.patched(REPAIRS),
        )
        tested = report.tested or not workflow.patched(LEARNS_TESTED)
        if tested and workflow.patched(LEARNS_AND_SEALS):
            await learn(prompt, generated, GENERATION)

        return CodeGenerationResult(
            code=generated.code,
            language=generated.language,
            model=generated.model,
            fingerprint=fingerprint,
            checked=report.checks,
            validation=report,
            rounds=draft.rounds,
        )


async def _informed(prompt: ParsedPrompt) -> InformedPrompt:
    """Return the prompt with patterns as context; without patterns if they are unavailable."""
    similar = None
    if workflow.patched(LEARNS_AND_SEALS):
        similar = await without_fail(
            qagent.search_patterns(prompt), "the model is shown no patterns"
        )
    return InformedPrompt(**dict(prompt), patterns=similar.patterns if similar else ())
