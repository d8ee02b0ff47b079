"""Generates code in rounds: what the checks find goes back to the model until a version passes.

The loop is workflow code, so every round is in the run's history: a worker that dies loses the step
under way, not the rounds before it. Each step heartbeats and has its own timeout. No round begins
after the time that one step may take, counted from the first.
"""

from dataclasses import dataclass

from temporalio import exceptions, workflow

from workflows.errors import AnswerUnusableError, CodeRejectedError, SuiteNotWrittenError
from workflows.messages.code_generation import (
    ANSWER,
    TESTS,
    CheckReport,
    CheckRequest,
    CodeFinding,
    CodeGenerationRequest,
    GeneratedCode,
    GenerationRules,
    InformedPrompt,
    Round,
)
from workflows.messages.suites import RejectedCode, SuiteRequest, SuiteRun
from workflows.messages.verdicts import rejection_text, round_of, with_suite
from workflows.platform.effects import effect_key
from workflows.platform.policies import GENERATION, Policy
from workflows.platform.result_events import ResultEvents
from workflows.steps import qagent

REPAIRS = "repairs"
"""The patch with which runs from before the rounds still replay."""


@dataclass(frozen=True)
class Draft:
    """Code that passed its checks, with their report and the versions that did not pass."""

    code: GeneratedCode
    report: CheckReport
    rounds: tuple[Round, ...]


@dataclass(frozen=True)
class Drafting:
    """Generates code for one run.

    Attributes:
        results: The run's result events.
        rejected: The type of the event about a version that goes back to the model.
        generated: The type of the event about each version; None if the caller emits the last.
        limits: Timeouts and retries of the steps.
    """

    results: ResultEvents
    rejected: str
    generated: str | None = None
    limits: Policy = GENERATION

    async def draft(self, prompt: InformedPrompt, request: CodeGenerationRequest) -> Draft:
        """Generate code until a version passes its checks.

        Raises:
            CodeRejectedError: No version passed; has all rounds.
            ActivityError: A step failed permanently, or the run was cancelled.
        """
        rules = prompt.rules if workflow.patched(REPAIRS) else None
        until = workflow.now() + GENERATION.start_to_close
        rounds: list[Round] = []
        rejected: RejectedCode | None = None
        while True:
            asked = prompt.model_copy(update={"rejected": rejected})
            code, report = await self._version(asked, rules, request)
            if code is not None and report.passed:
                return Draft(code, report, tuple(rounds))
            rounds.append(round_of(len(rounds) + 1, code, report))
            if rules is None or len(rounds) >= rules.rounds or workflow.now() >= until:
                raise CodeRejectedError(rejection_text(rounds), tuple(rounds))
            await self.results.emit(self.rejected, rounds[-1])
            rejected = _rejected(code, rounds[-1])

    async def _version(
        self,
        prompt: InformedPrompt,
        rules: GenerationRules | None,
        request: CodeGenerationRequest,
    ) -> tuple[GeneratedCode | None, CheckReport]:
        """Return one version with its report; None if the model's answer had no code."""
        try:
            code = await qagent.generate_code(prompt, policy=self.limits)
        except exceptions.ActivityError as error:
            if rules is None or rules.rounds == 1 or not _is(error, AnswerUnusableError):
                raise
            unusable = CodeFinding(check=ANSWER, rule="unusable", message=_message(error))
            return None, CheckReport(checks=(), findings=(unusable,))
        if self.generated is not None:
            await self.results.emit(self.generated, code)
        if rules is None:
            return code, await qagent.check_code(_to_check(code), policy=self.limits)
        return await self._checked(code, prompt, rules, request)

    async def _checked(
        self,
        code: GeneratedCode,
        prompt: InformedPrompt,
        rules: GenerationRules,
        request: CodeGenerationRequest,
    ) -> tuple[GeneratedCode, CheckReport]:
        """Check code and test it; return it with its tests."""
        asked = _to_check(code, prompt.function_name)
        # Tests have a step of their own: they may take as long as all other checks together.
        untested = asked.model_copy(update={"tests": None})
        report = await qagent.check_code(untested, policy=self.limits)
        if not report.passed:
            return code, report
        if code.tests is None and rules.writes_tests and code.language == "python":
            written = await self._tests(code, prompt, request)
            if isinstance(written, CodeFinding):
                findings = (*report.findings, written)
                return code, report.model_copy(update={"findings": findings})
            code = code.model_copy(update={"tests": written})
        if code.tests is None:
            return code, report
        run = SuiteRun(
            key=effect_key(),
            code=code.code,
            tests=code.tests,
            language=code.language,
            target_coverage=request.target_coverage,
            coverage_policy=request.coverage_policy,
        )
        return code, with_suite(report, await qagent.test_code(run, policy=self.limits))

    async def _tests(
        self, code: GeneratedCode, prompt: InformedPrompt, request: CodeGenerationRequest
    ) -> str | CodeFinding:
        """Return the model's tests, or why there are none."""
        wanted = SuiteRequest(
            code=code.code,
            language=code.language,
            prompt=prompt.text,
            target_coverage=request.target_coverage,
            coverage_policy=request.coverage_policy,
            rejected=prompt.rejected,
        )
        try:
            return (await qagent.write_tests(wanted, policy=self.limits)).code
        except exceptions.ActivityError as error:
            if not _is(error, AnswerUnusableError, SuiteNotWrittenError):
                raise
            return CodeFinding(check=TESTS, rule="not-written", message=_message(error))


def _to_check(code: GeneratedCode, function_name: str | None = None) -> CheckRequest:
    return CheckRequest(**dict(code), function_name=function_name)


def _rejected(code: GeneratedCode | None, last: Round) -> RejectedCode:
    return RejectedCode(
        code=code.code if code is not None else "",
        tests=code.tests if code is not None else None,
        problems=tuple(str(finding) for finding in last.findings),
    )


def _is(error: exceptions.ActivityError, *kinds: type[Exception]) -> bool:
    cause = error.cause
    names = {kind.__name__ for kind in kinds}
    return isinstance(cause, exceptions.ApplicationError) and cause.type in names


def _message(error: exceptions.ActivityError) -> str:
    return str(getattr(error.cause, "message", error.cause))
