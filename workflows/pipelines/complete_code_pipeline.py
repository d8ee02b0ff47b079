"""From a prompt to a verified deployment; people review critical findings.

A run may last two days, most of it waiting for a security review; the route sets the limit
(``execution_timeout: 48h``). If the run fails, it rolls back what it provisioned and deployed.

It does not continue as new: a run has about seventy events. Only invalid answers could make it
longer; Temporal accepts ten thousand signals for each run.
"""

from datetime import timedelta
from enum import StrEnum

from temporalio import workflow
from temporalio.common import RawValue

from workflows.errors import (
    DeploymentNotVerifiedError,
    ReviewRefusedError,
    ReviewTimedOutError,
    SuiteFailedError,
)
from workflows.messages.approvals import ApprovalVerdict, Decision
from workflows.messages.code_generation import CodeGenerationRequest, GeneratedCode
from workflows.messages.code_host import ProposalStatus, Proposed, ProposeRequest
from workflows.messages.complete_code import (
    CompleteCodeRequest,
    CompleteCodeResult,
    ProposalPolicy,
)
from workflows.messages.deployment import Deployed, ReleaseRef, Verification
from workflows.messages.infra import Provisioned, UndoRequest
from workflows.messages.security import ScanReport
from workflows.messages.suites import GeneratedSuite, SuiteReport, SuiteRun
from workflows.messages.undoing import UndoReport
from workflows.pipelines.parts.approval import Question, ask, refuse_the_rest
from workflows.pipelines.parts.conclusion import conclude
from workflows.pipelines.parts.making import Making, learn
from workflows.pipelines.parts.proposing import proposal_of, propose, wait_for_merge
from workflows.pipelines.parts.provenance import SEALS, Provenance
from workflows.pipelines.parts.releasing import (
    deploy,
    deployment_of,
    files_of,
    provision,
    release_of,
)
from workflows.pipelines.parts.scanning import critical_findings, scan
from workflows.platform.effects import effect_key
from workflows.platform.inbox import ReceivesEvents
from workflows.platform.inputs import NO_INPUT, read_input
from workflows.platform.phases import Phases
from workflows.platform.policies import NOTE
from workflows.platform.result_events import ResultEvents
from workflows.platform.saga import Saga
from workflows.steps import qinfra, qtest

REVIEW = "io.quantum-suite.complete-code.security-review"
"""The prefix of the types of a review's events."""
REVIEW_COMPLETE = "security-review-complete"
"""The signal with the answer."""
REVIEW_WITHIN = timedelta(hours=24)


class Phase(StrEnum):
    """The phases of a run; review and provisioning happen only if they are needed."""

    GENERATE_CODE = "generate code"
    GENERATE_TESTS = "generate tests"
    EXECUTE_TESTS = "execute tests"
    SCAN = "security scan"
    REVIEW = "security review"
    PROPOSE = "propose code"
    PROVISION = "provision"
    DEPLOY = "deploy"
    VERIFY = "verify deployment"


UNDO = "undo"
"""The phase in which a failed run undoes its effects."""


class Emits(StrEnum):
    """The result events of this workflow, in the order of a successful run."""

    CODE_REJECTED = "io.quantum-suite.complete-code.code-rejected.v1"
    """A version goes back to the model."""
    CODE_GENERATED = "io.quantum-suite.complete-code.code-generated.v1"
    FINGERPRINT_RECORDED = "io.quantum-suite.complete-code.fingerprint-recorded.v1"
    TESTS_GENERATED = "io.quantum-suite.complete-code.tests-generated.v1"
    TESTS_EXECUTED = "io.quantum-suite.complete-code.tests-executed.v1"
    SCANNED = "io.quantum-suite.complete-code.security-scanned.v1"
    REVIEW_REQUESTED = f"{REVIEW}-requested.v1"
    REVIEW_ANSWER_REFUSED = f"{REVIEW}-refused.v1"
    REVIEW_GRANTED = f"{REVIEW}-granted.v1"
    REVIEW_DENIED = f"{REVIEW}-denied.v1"
    REVIEW_TIMED_OUT = f"{REVIEW}-timed-out.v1"
    PROPOSED = "io.quantum-suite.complete-code.proposed.v1"
    MERGED = "io.quantum-suite.complete-code.proposal-merged.v1"
    PROVISIONED = "io.quantum-suite.complete-code.infrastructure-provisioned.v1"
    DEPLOYED = "io.quantum-suite.complete-code.deployed.v1"
    VERIFIED = "io.quantum-suite.complete-code.deployment-verified.v1"
    COMPLETED = "io.quantum-suite.complete-code.completed.v1"
    UNDONE = "io.quantum-suite.complete-code.undone.v1"
    FAILED = "io.quantum-suite.complete-code.failed.v1"


@workflow.defn(name="CompleteCodePipelineWorkflow")
class CompleteCodePipelineWorkflow(ReceivesEvents):
    """Takes a ``CompleteCodeRequest`` and returns a ``CompleteCodeResult``."""

    @workflow.init
    def __init__(self, argument: RawValue = NO_INPUT) -> None:  # noqa: ARG002 - as run has it
        super().__init__()

    @workflow.run
    async def run(self, argument: RawValue = NO_INPUT) -> CompleteCodeResult:
        """Run the pipeline; a closing event reports its outcome in every case."""
        self._results = ResultEvents()
        self._provenance = Provenance(self._results, NOTE)
        self._phases = Phases(Phase)
        self._saga = Saga()
        return await conclude(
            self._complete(argument),
            results=self._results,
            completed=Emits.COMPLETED,
            failed=Emits.FAILED,
            phases=self._phases,
            undo=self._undo,
            provenance=self._provenance if workflow.patched(SEALS) else None,
        )

    async def _complete(self, argument: RawValue) -> CompleteCodeResult:
        request = read_input(argument, CompleteCodeRequest)

        making = Making(self._saga, self._results, self._provenance, Emits.FINGERPRINT_RECORDED)

        self._phases.begin(Phase.GENERATE_CODE)
        wanted = CodeGenerationRequest(
            prompt=request.prompt,
            language=request.language,
            target_coverage=request.target_coverage,
            coverage_policy=request.coverage_policy,
        )
        made = await making.code(
            wanted, emits=Emits.CODE_GENERATED, rejected=Emits.CODE_REJECTED
        )
        code = made.code

        self._phases.begin(Phase.GENERATE_TESTS)
        suite, tests_origin = await making.tests(made, emits=Emits.TESTS_GENERATED)

        self._phases.begin(Phase.EXECUTE_TESTS)
        tested = await self._execute_tests(code, suite, request)

        self._phases.begin(Phase.SCAN)
        report = await scan(code, self._results, emits=Emits.SCANNED)
        review = await self._review(request, report)
        fingerprints = (made.fingerprint, tests_origin)
        wish = proposal_of(
            request.service, code, suite, fingerprints, critical_findings(report)
        )
        proposal, merge = await self._propose(request, wish)

        provisioned = await self._provision(request)

        self._phases.begin(Phase.DEPLOY)
        release = release_of(request.environment, request.service)
        deployed = await self._deploy(release, request, code, suite)

        self._phases.begin(Phase.VERIFY)
        verification = await self._verify(release)
        await learn(made.prompt, code)
        self._phases.done()

        await refuse_the_rest(self.inbox, self._results, about=REVIEW)
        return CompleteCodeResult(
            service=request.service,
            code=made.fingerprint,
            tests=tests_origin,
            tests_passed=tested.passed,
            coverage=tested.coverage,
            findings={severity.value: count for severity, count in report.counts.items()},
            review=review,
            infrastructure=provisioned,
            release=deployed,
            files=files_of(code, suite),
            verification=verification,
            proposal=proposal,
            merge=merge,
            warnings=_warnings(tested),
            checked=made.draft.report.checks,
            rounds=made.draft.rounds,
        )

    async def _execute_tests(
        self, code: GeneratedCode, suite: GeneratedSuite, request: CompleteCodeRequest
    ) -> SuiteReport:
        executed = SuiteRun(
            key=effect_key(),
            code=code.code,
            tests=suite.code,
            language=code.language,
            target_coverage=suite.target_coverage,
            coverage_policy=request.coverage_policy,
        )
        report = await qtest.execute_tests(executed)
        await self._results.emit(Emits.TESTS_EXECUTED, report)
        if not report.ok:
            raise SuiteFailedError(_failed_tests(report))
        return report

    async def _review(
        self, request: CompleteCodeRequest, report: ScanReport
    ) -> Decision | None:
        """Ask people to decide on critical findings, if there are any."""
        if not report.critical or request.proposal is ProposalPolicy.MERGE:
            self._phases.skip(Phase.REVIEW)
            return None
        self._phases.begin(Phase.REVIEW)
        question = Question(
            about=REVIEW,
            text=f"may {request.service} go on? {critical_findings(report)}",
            details=report.model_dump(mode="json"),
            may_answer=request.security_team,
            signal=REVIEW_COMPLETE,
            answer_with=f"{REVIEW}-complete.v1",
            within=REVIEW_WITHIN,
            severity="critical",
        )
        decision = await ask(question, inbox=self.inbox, results=self._results)
        if decision.verdict is ApprovalVerdict.TIMED_OUT:
            raise ReviewTimedOutError(
                f"no answer of {', '.join(request.security_team)} within 24 h"
            )
        if not decision.granted:
            raise ReviewRefusedError(
                f"refused by {decision.who}: {decision.why or 'no reason given'}"
            )
        return decision

    async def _propose(
        self, request: CompleteCodeRequest, wish: ProposeRequest
    ) -> tuple[Proposed | None, ProposalStatus | None]:
        """Propose the code, if the request says so, and wait for the merge that approves it."""
        if request.proposal is None:
            self._phases.skip(Phase.PROPOSE)
            return None, None
        self._phases.begin(Phase.PROPOSE)
        proposed = await propose(wish, self._saga, self._results, emits=Emits.PROPOSED)
        if request.proposal is not ProposalPolicy.MERGE:
            return proposed, None
        merge = await wait_for_merge(wish, within=REVIEW_WITHIN)
        await self._results.emit(Emits.MERGED, merge)
        return proposed, merge

    async def _provision(self, request: CompleteCodeRequest) -> Provisioned | None:
        if request.provision is None:
            self._phases.skip(Phase.PROVISION)
            return None
        self._phases.begin(Phase.PROVISION)
        undo = self._saga.on_failure(
            "roll the infrastructure back",
            qinfra.rollback_infra,
            UndoRequest(
                environment=request.environment, owner=request.service, key=effect_key()
            ),
        )
        provisioned = await provision(request.environment, request.service, request.provision)
        undo.took_effect()
        await self._results.emit(Emits.PROVISIONED, provisioned)
        return provisioned

    async def _deploy(
        self,
        release: ReleaseRef,
        request: CompleteCodeRequest,
        code: GeneratedCode,
        suite: GeneratedSuite,
    ) -> Deployed:
        wanted = deployment_of(release, code, suite, request.smoke_check)
        return await deploy(wanted, self._saga, self._results, emits=Emits.DEPLOYED)

    async def _verify(self, release: ReleaseRef) -> Verification:
        verification = await qinfra.verify_deployment(release)
        await self._results.emit(Emits.VERIFIED, verification)
        if not verification.passed:
            raise DeploymentNotVerifiedError(
                f"{verification.check} failed: {verification.output or 'it said nothing'}"
            )
        return verification

    async def _undo(self) -> UndoReport:
        await refuse_the_rest(self.inbox, self._results, about=REVIEW)
        return await self._saga.undo_and_report(
            self._phases, self._results, phase=UNDO, emits=Emits.UNDONE
        )


def _failed_tests(report: SuiteReport) -> str:
    total = report.passed + report.failed + report.errors
    failed = report.failed + report.errors
    names = ", ".join(case.name for case in report.unpassed)
    reason = report.reason or names
    return f"{failed} of {total} tests failed ({report.outcome})" + (
        f": {reason}" if reason else ""
    )


def _warnings(report: SuiteReport) -> tuple[str, ...]:
    if report.covers_enough:
        return ()
    measured = "not measured" if report.coverage is None else f"{report.coverage:.2f}"
    return (f"coverage is {measured}, {report.target_coverage:.2f} was wanted",)
