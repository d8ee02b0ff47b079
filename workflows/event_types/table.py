"""The message of each event type, as one table."""

from collections.abc import Iterator
from dataclasses import dataclass

from workflows.messages.approvals import (
    Answer,
    AnswerRefused,
    Asked,
    Confirmation,
    Decision,
    NotTold,
    Reminder,
)
from workflows.messages.code_generation import (
    CheckReport,
    CodeGenerationRequest,
    CodeGenerationResult,
    Fingerprint,
    GeneratedCode,
    ParsedPrompt,
    Round,
)
from workflows.messages.code_host import ProposalStatus, Proposed
from workflows.messages.complete_code import CompleteCodeRequest, CompleteCodeResult
from workflows.messages.deployment import Deployed, Verification
from workflows.messages.devsecops import DevSecOpsRequest, DevSecOpsResult, MonitoringFailed
from workflows.messages.infra import (
    InfraProvisionRequest,
    InfraProvisionResult,
    Plan,
    Provisioned,
)
from workflows.messages.message import Message
from workflows.messages.monitoring import Monitoring
from workflows.messages.provenance import SEALED, Seal
from workflows.messages.result_events import Failed
from workflows.messages.security import ScanReport
from workflows.messages.suites import GeneratedSuite, SuiteReport
from workflows.messages.undoing import FailedAndUndone, UndoReport
from workflows.pipelines import (
    code_generation,
    complete_code_pipeline,
    devsecops_pipeline,
    infra_provision,
)
from workflows.pipelines.catalogue import PIPELINES, QUESTIONS


class Withdrawal(Message):
    """Cancel a run: the data of ``….withdrawn.v1``."""

    workflow_id: str


@dataclass(frozen=True)
class EventType:
    """An event type.

    Attributes:
        name: The CloudEvents type.
        message: Its data.
        is_request: Whether it starts a run; then unknown members are refused.
        is_published: Whether publishers send it; the pipelines emit the others.
    """

    name: str
    message: type[Message]
    is_request: bool = False
    is_published: bool = False


_REQUESTS: dict[str, type[Message]] = {
    "code-generation": CodeGenerationRequest,
    "infra-provision": InfraProvisionRequest,
    "devsecops": DevSecOpsRequest,
    "complete-code": CompleteCodeRequest,
}

_PUBLISHED: dict[str, type[Message]] = {
    "io.quantum-suite.infra.approval-answered.v1": Answer,
    "io.quantum-suite.infra.approval-confirmed.v1": Confirmation,
    "io.quantum-suite.infra.withdrawn.v1": Withdrawal,
    "io.quantum-suite.complete-code.security-review-complete.v1": Answer,
    "io.quantum-suite.complete-code.withdrawn.v1": Withdrawal,
    "io.quantum-suite.devsecops.withdrawn.v1": Withdrawal,
}

_CODE = code_generation.Emits
_INFRA = infra_provision.Emits
_DEVSECOPS = devsecops_pipeline.Emits
_COMPLETE = complete_code_pipeline.Emits

_EMITTED: dict[str, type[Message]] = {
    _CODE.PROMPT_PARSED: ParsedPrompt,
    _CODE.CODE_GENERATED: GeneratedCode,
    _CODE.CODE_REJECTED: Round,
    _CODE.CODE_VALIDATED: CheckReport,
    _CODE.FINGERPRINT_RECORDED: Fingerprint,
    _CODE.COMPLETED: CodeGenerationResult,
    _CODE.FAILED: Failed,
    _INFRA.PLANNED: Plan,
    _INFRA.PROVISIONED: Provisioned,
    _INFRA.ROLLED_BACK: UndoReport,
    _INFRA.COMPLETED: InfraProvisionResult,
    _INFRA.FAILED: FailedAndUndone,
    _DEVSECOPS.CODE_GENERATED: GeneratedCode,
    _DEVSECOPS.CODE_REJECTED: Round,
    _DEVSECOPS.TESTS_GENERATED: GeneratedSuite,
    _DEVSECOPS.FINGERPRINT_RECORDED: Fingerprint,
    _DEVSECOPS.SCANNED: ScanReport,
    _DEVSECOPS.INFRASTRUCTURE_DEPLOYED: Provisioned,
    _DEVSECOPS.APPLICATION_DEPLOYED: Deployed,
    _DEVSECOPS.MONITORING_SET_UP: Monitoring,
    _DEVSECOPS.MONITORING_FAILED: MonitoringFailed,
    _DEVSECOPS.COMPLETED: DevSecOpsResult,
    _DEVSECOPS.UNDONE: UndoReport,
    _DEVSECOPS.FAILED: FailedAndUndone,
    _COMPLETE.CODE_GENERATED: GeneratedCode,
    _COMPLETE.CODE_REJECTED: Round,
    _COMPLETE.FINGERPRINT_RECORDED: Fingerprint,
    _COMPLETE.TESTS_GENERATED: GeneratedSuite,
    _COMPLETE.TESTS_EXECUTED: SuiteReport,
    _COMPLETE.SCANNED: ScanReport,
    _COMPLETE.PROPOSED: Proposed,
    _COMPLETE.MERGED: ProposalStatus,
    _COMPLETE.PROVISIONED: Provisioned,
    _COMPLETE.DEPLOYED: Deployed,
    _COMPLETE.VERIFIED: Verification,
    _COMPLETE.COMPLETED: CompleteCodeResult,
    _COMPLETE.UNDONE: UndoReport,
    _COMPLETE.FAILED: FailedAndUndone,
    SEALED: Seal,
}

_QUESTION: dict[str, type[Message]] = {
    "requested": Asked,
    "reminded": Reminder,
    "escalated": Reminder,
    "not-told": NotTold,
    "refused": AnswerRefused,
    "granted": Decision,
    "denied": Decision,
    "timed-out": Decision,
}
"""The events of a question, by the last word of their types."""


def event_types() -> Iterator[EventType]:
    """Give all types: requests, other published ones, then emitted ones."""
    for pipeline in PIPELINES:
        yield EventType(
            pipeline.event, _REQUESTS[pipeline.name], is_request=True, is_published=True
        )
    for name, message in _PUBLISHED.items():
        yield EventType(name, message, is_published=True)
    for name, message in _EMITTED.items():
        yield EventType(str(name), message)
    for about in QUESTIONS:
        for word, message in _QUESTION.items():
            yield EventType(f"{about}-{word}.v1", message)
