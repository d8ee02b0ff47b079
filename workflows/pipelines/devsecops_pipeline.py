"""From a prompt to a monitored service: the saga pattern.

Every outside effect of a step can be undone, and its compensation is registered before the step
starts. If a step fails permanently, or the run is cancelled, all effects are undone, the last one
first. The closing event lists what was undone and what was not.

It does not continue as new: a run has about seventy events, however long it takes.
"""

from enum import StrEnum

from temporalio import exceptions, workflow
from temporalio.common import RawValue

from workflows.errors import CriticalFindingsError
from workflows.messages.code_generation import CodeGenerationRequest, GeneratedCode
from workflows.messages.deployment import Deployed
from workflows.messages.devsecops import DevSecOpsRequest, DevSecOpsResult, MonitoringFailed
from workflows.messages.infra import Provisioned, UndoRequest
from workflows.messages.monitoring import (
    Monitoring,
    MonitoringRequest,
    RemoveMonitoringRequest,
)
from workflows.messages.security import ScanReport
from workflows.messages.suites import GeneratedSuite
from workflows.messages.undoing import UndoReport
from workflows.pipelines.parts.conclusion import conclude
from workflows.pipelines.parts.making import LEARNS_TESTED, Making, learn
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
from workflows.platform.failures import failure_of
from workflows.platform.inputs import NO_INPUT, read_input
from workflows.platform.phases import Phases
from workflows.platform.policies import NOTE
from workflows.platform.result_events import ResultEvents
from workflows.platform.saga import Saga
from workflows.steps import qinfra, qsre


class Phase(StrEnum):
    """The phases of a run."""

    GENERATE_CODE = "generate code"
    GENERATE_TESTS = "generate tests"
    SCAN = "security scan"
    DEPLOY_INFRASTRUCTURE = "deploy infrastructure"
    DEPLOY_APPLICATION = "deploy application"
    SET_UP_MONITORING = "set up monitoring"


UNDO = "undo"
"""The phase in which a failed run undoes its effects."""


class Emits(StrEnum):
    """The result events of this workflow, in the order of a successful run."""

    CODE_REJECTED = "io.quantum-suite.devsecops.code-rejected.v1"
    """A version goes back to the model."""
    CODE_GENERATED = "io.quantum-suite.devsecops.code-generated.v1"
    TESTS_GENERATED = "io.quantum-suite.devsecops.tests-generated.v1"
    FINGERPRINT_RECORDED = "io.quantum-suite.devsecops.fingerprint-recorded.v1"
    SCANNED = "io.quantum-suite.devsecops.security-scanned.v1"
    INFRASTRUCTURE_DEPLOYED = "io.quantum-suite.devsecops.infrastructure-deployed.v1"
    APPLICATION_DEPLOYED = "io.quantum-suite.devsecops.application-deployed.v1"
    MONITORING_SET_UP = "io.quantum-suite.devsecops.monitoring-set-up.v1"
    MONITORING_FAILED = "io.quantum-suite.devsecops.monitoring-failed.v1"
    COMPLETED = "io.quantum-suite.devsecops.completed.v1"
    UNDONE = "io.quantum-suite.devsecops.undone.v1"
    FAILED = "io.quantum-suite.devsecops.failed.v1"


@workflow.defn(name="DevSecOpsPipelineWorkflow")
class DevSecOpsPipelineWorkflow:
    """Takes a ``DevSecOpsRequest`` and returns a ``DevSecOpsResult``."""

    @workflow.run
    async def run(self, argument: RawValue = NO_INPUT) -> DevSecOpsResult:
        """Run the pipeline; a closing event reports its outcome in every case."""
        self._results = ResultEvents()
        self._provenance = Provenance(self._results, NOTE)
        self._phases = Phases(Phase)
        self._saga = Saga()
        return await conclude(
            self._deliver(argument),
            results=self._results,
            completed=Emits.COMPLETED,
            failed=Emits.FAILED,
            phases=self._phases,
            undo=self._undo,
            provenance=self._provenance if workflow.patched(SEALS) else None,
        )

    async def _deliver(self, argument: RawValue) -> DevSecOpsResult:
        request = read_input(argument, DevSecOpsRequest)

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

        self._phases.begin(Phase.SCAN)
        report = await self._scan(code)
        # Unlike CompleteCodePipelineWorkflow, this one does not run the suite that it generates.
        if made.tested or not workflow.patched(LEARNS_TESTED):
            await learn(made.prompt, code)

        self._phases.begin(Phase.DEPLOY_INFRASTRUCTURE)
        provisioned = await self._deploy_infrastructure(request)

        self._phases.begin(Phase.DEPLOY_APPLICATION)
        deployed = await self._deploy_application(request, code, suite)

        self._phases.begin(Phase.SET_UP_MONITORING)
        watched = await self._set_up_monitoring(request)
        self._phases.done()

        return DevSecOpsResult(
            service=request.service,
            code=made.fingerprint,
            tests=tests_origin,
            findings={severity.value: count for severity, count in report.counts.items()},
            infrastructure=provisioned,
            release=deployed,
            files=files_of(code, suite),
            monitoring=watched if isinstance(watched, Monitoring) else None,
            warnings=_warnings(suite, watched),
            checked=made.draft.report.checks,
            rounds=made.draft.rounds,
        )

    async def _scan(self, code: GeneratedCode) -> ScanReport:
        report = await scan(code, self._results, emits=Emits.SCANNED)
        if report.critical:
            raise CriticalFindingsError(critical_findings(report))
        return report

    async def _deploy_infrastructure(self, request: DevSecOpsRequest) -> Provisioned:
        undo = self._saga.on_failure(
            "destroy the infrastructure",
            qinfra.rollback_infra,
            UndoRequest(
                environment=request.environment, owner=request.service, key=effect_key()
            ),
        )
        provisioned = await provision(request.environment, request.service, request.resources)
        undo.took_effect()
        await self._results.emit(Emits.INFRASTRUCTURE_DEPLOYED, provisioned)
        return provisioned

    async def _deploy_application(
        self, request: DevSecOpsRequest, code: GeneratedCode, suite: GeneratedSuite
    ) -> Deployed:
        release = release_of(request.environment, request.service)
        wanted = deployment_of(release, code, suite, request.smoke_check)
        return await deploy(wanted, self._saga, self._results, emits=Emits.APPLICATION_DEPLOYED)

    async def _set_up_monitoring(
        self, request: DevSecOpsRequest
    ) -> Monitoring | MonitoringFailed:
        """Set up monitoring; if that fails, the run continues with a warning."""
        service = {"environment": request.environment, "service": request.service}
        undo = self._saga.on_failure(
            "remove the monitoring",
            qsre.remove_monitoring,
            RemoveMonitoringRequest(**service, key=effect_key()),
        )
        wanted = MonitoringRequest(
            **service, key=effect_key(), availability=request.availability, owner=request.owner
        )
        try:
            watched = await qsre.set_up_monitoring(wanted)
        except exceptions.ActivityError as error:
            if exceptions.is_cancelled_exception(error):
                raise
            failure = failure_of(error)
            warning = MonitoringFailed(**service, reason=failure.reason, error=failure.error)
            await self._results.emit(Emits.MONITORING_FAILED, warning)
            return warning
        undo.took_effect()
        await self._results.emit(Emits.MONITORING_SET_UP, watched)
        return watched

    async def _undo(self) -> UndoReport:
        return await self._saga.undo_and_report(
            self._phases, self._results, phase=UNDO, emits=Emits.UNDONE
        )


def _warnings(suite: GeneratedSuite, watched: Monitoring | MonitoringFailed) -> tuple[str, ...]:
    estimated = suite.estimated_coverage
    low = estimated is not None and estimated < suite.target_coverage
    coverage = f"coverage is estimated at {estimated}, {suite.target_coverage} was wanted"
    warnings = [coverage] if low else []
    if isinstance(watched, MonitoringFailed):
        warnings.append(f"no monitoring: {watched.reason}")
    return tuple(warnings)
