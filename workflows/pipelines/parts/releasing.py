"""Releases code in an environment, for the pipelines that deploy."""

from temporalio import workflow

from workflows.errors import ImpactTooHighError
from workflows.messages.code_generation import GeneratedCode
from workflows.messages.deployment import Deployed, DeployRequest, ReleaseRef
from workflows.messages.infra import (
    Impact,
    Plan,
    PlanRequest,
    Provisioned,
    ProvisionRequest,
    Resource,
)
from workflows.messages.suites import MODULE, GeneratedSuite
from workflows.platform.effects import effect_key
from workflows.platform.policies import SAGA
from workflows.platform.result_events import ResultEvents
from workflows.platform.saga import Saga
from workflows.steps import qinfra

CODE = f"{MODULE}.py"
TESTS = f"test_{MODULE}.py"
SMOKE_CHECK = "smoke_check.py"


async def provision(
    environment: str, service: str, resources: tuple[Resource, ...]
) -> Provisioned:
    """Provision a service's resources, unless that would destroy or replace one.

    Raises:
        ImpactTooHighError: It would; people must approve that first.
        ActivityError: Provisioning failed, or the run was cancelled.
    """
    request = PlanRequest(environment=environment, owner=service, resources=resources)
    plan = await qinfra.plan_infra(request, policy=SAGA)
    if plan.impact is Impact.HIGH:
        raise ImpactTooHighError(_refusal(plan))
    applied = ProvisionRequest(plan=plan, key=effect_key())
    return await qinfra.provision_infra(applied, policy=SAGA)


async def deploy(
    request: DeployRequest, saga: Saga, results: ResultEvents, *, emits: str
) -> Deployed:
    """Register the compensation, deploy a release, and emit the event.

    Raises:
        ActivityError: It could not be deployed, or the run was cancelled.
    """
    release = ReleaseRef(
        environment=request.environment, service=request.service, release=request.release
    )
    undo = saga.on_failure("take the release back", qinfra.rollback_deployment, release)
    deployed = await qinfra.deploy(request)
    undo.took_effect()
    await results.emit(emits, deployed)
    return deployed


def release_of(environment: str, service: str) -> ReleaseRef:
    """Return the name of the current run's release; the same for every attempt."""
    release = workflow.info().first_execution_run_id
    return ReleaseRef(environment=environment, service=service, release=release)


def files_of(code: GeneratedCode, suite: GeneratedSuite) -> dict[str, str]:
    """Return the code and its tests, by their paths in the release."""
    return {CODE: code.code, TESTS: suite.code}


def deployment_of(
    release: ReleaseRef, code: GeneratedCode, suite: GeneratedSuite, smoke_check: str | None
) -> DeployRequest:
    """Return the files of a release: the code, its tests and the smoke check."""
    files = files_of(code, suite)
    if smoke_check is not None:
        files[SMOKE_CHECK] = smoke_check
    return DeployRequest(
        **dict(release), files=files, smoke_check=SMOKE_CHECK if smoke_check else None
    )


def _refusal(plan: Plan) -> str:
    reasons = "; ".join(plan.reasons) or "its impact is HIGH"
    return (
        f"the resources of {plan.owner} in {plan.environment} are not changed without approval "
        f"({reasons}): run InfraProvisionWorkflow for this service first"
    )
