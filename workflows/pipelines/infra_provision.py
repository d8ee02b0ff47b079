"""From a request to an environment, with approval by people: the human-in-the-loop pattern.

::

    plan ─┬─ LOW impact ───────────────────────────────────┬─ provision ─┬─ COMPLETED
          └─ HIGH impact ─ approval ─┬─ yes ─ confirmation ─┬─ yes ─┘    └─ failed: rolled back
                                     ├─ no: REJECTED        ├─ no: REJECTED
                                     └─ nothing: TIMEOUT    └─ nothing: TIMEOUT
"""

from enum import StrEnum

from temporalio import workflow
from temporalio.common import RawValue

from workflows.errors import NobodyMayApproveError
from workflows.messages.approvals import ApprovalVerdict, Confirmation, Decision
from workflows.messages.infra import (
    Impact,
    InfraProvisionRequest,
    InfraProvisionResult,
    Plan,
    PlanRequest,
    Provisioned,
    ProvisionRequest,
    Status,
    UndoRequest,
)
from workflows.messages.undoing import UndoReport
from workflows.pipelines.parts.approval import Question, ask, refuse_the_rest
from workflows.pipelines.parts.conclusion import conclude
from workflows.platform.effects import effect_key
from workflows.platform.inbox import ReceivesEvents
from workflows.platform.inputs import NO_INPUT, read_input
from workflows.platform.phases import Phases
from workflows.platform.policies import ROLL_BACK as ROLL_BACK_LIMITS
from workflows.platform.result_events import ResultEvents
from workflows.platform.saga import Saga
from workflows.steps import qinfra

DENIED = "Human approval denied"
UNANSWERED = "Human approval timeout"
UNCONFIRMED = "Approval confirmation timeout"

APPROVAL = "io.quantum-suite.infra.approval"
CONFIRMATION = "io.quantum-suite.infra.confirmation"
"""The prefixes of the types of the questions' events (`workflows.pipelines.parts.approval`)."""


class Phase(StrEnum):
    """The phases of a run."""

    PLAN = "plan"
    APPROVAL = "approval"
    CONFIRMATION = "confirmation"
    PROVISION = "provision"


ROLL_BACK = "roll back"
"""The phase of a run whose provisioning failed."""


class Emits(StrEnum):
    """The result events of this workflow, except those of the questions."""

    PLANNED = "io.quantum-suite.infra.planned.v1"
    PROVISIONED = "io.quantum-suite.infra.provisioned.v1"
    ROLLED_BACK = "io.quantum-suite.infra.rolled-back.v1"
    COMPLETED = "io.quantum-suite.infra.completed.v1"
    FAILED = "io.quantum-suite.infra.failed.v1"


@workflow.defn(name="InfraProvisionWorkflow")
class InfraProvisionWorkflow(ReceivesEvents):
    """Takes an ``InfraProvisionRequest`` and returns an ``InfraProvisionResult``."""

    @workflow.init
    def __init__(self, argument: RawValue = NO_INPUT) -> None:  # noqa: ARG002 - as for run
        super().__init__()

    @workflow.run
    async def run(self, argument: RawValue = NO_INPUT) -> InfraProvisionResult:
        """Run the pipeline; a closing event reports its outcome in every case."""
        self._results = ResultEvents()
        self._phases = Phases(Phase)
        self._saga = Saga()
        return await conclude(
            self._to_the_end(argument),
            results=self._results,
            completed=Emits.COMPLETED,
            failed=Emits.FAILED,
            phases=self._phases,
            undo=self._roll_back,
        )

    async def _to_the_end(self, argument: RawValue) -> InfraProvisionResult:
        result = await self._decide_and_provision(argument)
        await refuse_the_rest(self.inbox, self._results, about=APPROVAL)
        self._phases.done()
        return result

    async def _decide_and_provision(self, argument: RawValue) -> InfraProvisionResult:
        request = read_input(argument, InfraProvisionRequest)

        self._phases.begin(Phase.PLAN)
        plan = await qinfra.plan_infra(
            PlanRequest(
                environment=request.environment,
                owner=request.service,
                resources=request.resources,
            )
        )
        await self._results.emit(Emits.PLANNED, plan)
        if plan.impact is not Impact.HIGH:
            self._phases.skip(Phase.APPROVAL)
            self._phases.skip(Phase.CONFIRMATION)
            return _completed(plan, await self._provision(plan))

        self._phases.begin(Phase.APPROVAL)
        approval = await ask(
            self._approval(request, plan), inbox=self.inbox, results=self._results
        )
        if not approval.granted:
            return _refused(plan, approval, unanswered=UNANSWERED)

        self._phases.begin(Phase.CONFIRMATION)
        confirmation = await ask(
            self._confirmation(request, plan, approval),
            inbox=self.inbox,
            results=self._results,
        )
        if not confirmation.granted:
            return _refused(plan, approval, confirmation, unanswered=UNCONFIRMED)

        return _completed(plan, await self._provision(plan), approval, confirmation)

    async def _provision(self, plan: Plan) -> Provisioned:
        self._phases.begin(Phase.PROVISION)
        undo = self._saga.on_failure(
            "roll back the environment",
            qinfra.rollback_infra,
            UndoRequest(environment=plan.environment, owner=plan.owner, key=effect_key()),
            policy=ROLL_BACK_LIMITS,
        )
        provisioned = await qinfra.provision_infra(
            ProvisionRequest(plan=plan, key=effect_key())
        )
        undo.took_effect()
        await self._results.emit(Emits.PROVISIONED, provisioned)
        return provisioned

    async def _roll_back(self) -> UndoReport:
        return await self._saga.undo_and_report(
            self._phases, self._results, phase=ROLL_BACK, emits=Emits.ROLLED_BACK
        )

    def _approval(self, request: InfraProvisionRequest, plan: Plan) -> Question:
        approvers = plan.approvers or request.approvers
        if not approvers:
            raise NobodyMayApproveError(
                f"the impact of the plan is HIGH ({'; '.join(plan.reasons)}), and neither the "
                "request nor the operator's rules name anybody who may approve it"
            )
        confirmers = {*_confirmers(request, plan), *request.terms.escalate_to}
        if _two_people(request, plan) and len(confirmers) == 1:
            raise NobodyMayApproveError(
                f"two people must agree, and nobody but {', '.join(confirmers)} may confirm"
            )
        return Question(
            about=APPROVAL,
            text=f"Apply {_what(plan)}? ({'; '.join(plan.reasons)})",
            details=plan.model_dump(mode="json"),
            may_answer=approvers,
            signal="approval-answer",
            answer_with="io.quantum-suite.infra.approval-answered.v1",
            within=request.terms.answer_within,
            remind_every=request.terms.remind_every,
            escalate_after=request.terms.escalate_after,
            escalate_to=request.terms.escalate_to,
        )

    def _confirmation(
        self, request: InfraProvisionRequest, plan: Plan, approval: Decision
    ) -> Question:
        def others(people: tuple[str, ...]) -> tuple[str, ...]:
            if not _two_people(request, plan):
                return people
            return tuple(who for who in people if who != approval.who)

        return Question(
            about=CONFIRMATION,
            text=f"{approval.who} has approved {_what(plan)}: go ahead?",
            details={"plan": plan.id, "approval": approval.model_dump(mode="json")},
            may_answer=others(_confirmers(request, plan)),
            signal="approval-confirmation",
            answer_with="io.quantum-suite.infra.approval-confirmed.v1",
            takes=Confirmation,
            within=request.terms.confirm_within,
            remind_every=request.terms.remind_every,
            escalate_after=request.terms.escalate_after,
            escalate_to=others(request.terms.escalate_to),
        )


def _confirmers(request: InfraProvisionRequest, plan: Plan) -> tuple[str, ...]:
    return plan.approvers or request.confirmers or request.approvers


def _two_people(request: InfraProvisionRequest, plan: Plan) -> bool:
    return request.terms.two_people or plan.two_people


def _what(plan: Plan) -> str:
    count = len(plan.changes)
    whose = f" ({plan.owner})" if plan.owner else ""
    return f"{count} change{'s' if count > 1 else ''} to {plan.environment}{whose}"


def _completed(
    plan: Plan,
    provisioned: Provisioned,
    approval: Decision | None = None,
    confirmation: Decision | None = None,
) -> InfraProvisionResult:
    return InfraProvisionResult(
        status=Status.COMPLETED,
        environment=plan.environment,
        plan=plan.id,
        impact=plan.impact,
        approval=approval,
        confirmation=confirmation,
        provisioned=provisioned,
    )


def _refused(
    plan: Plan,
    approval: Decision,
    confirmation: Decision | None = None,
    *,
    unanswered: str,
) -> InfraProvisionResult:
    last = confirmation or approval
    timed_out = last.verdict is ApprovalVerdict.TIMED_OUT
    return InfraProvisionResult(
        status=Status.TIMEOUT if timed_out else Status.REJECTED,
        environment=plan.environment,
        plan=plan.id,
        impact=plan.impact,
        reason=unanswered if timed_out else DENIED,
        approval=approval,
        confirmation=confirmation,
    )
