"""QInfra's steps: environments, deployments in them, and notifications."""

from workflows.messages.approvals import Notification, Notified
from workflows.messages.deployment import (
    Deployed,
    DeploymentRolledBack,
    DeployRequest,
    ReleaseRef,
    Verification,
)
from workflows.messages.infra import (
    Destroyed,
    DestroyRequest,
    Plan,
    PlanRequest,
    Provisioned,
    ProvisionRequest,
    RolledBack,
    UndoRequest,
)
from workflows.platform.policies import COMPENSATION, INFRA, NOTIFY, SAGA
from workflows.platform.step import Step

MODULE = "qinfra"

plan_infra = Step(
    module=MODULE,
    name="qinfra.plan",
    takes=PlanRequest,
    gives=Plan,
    policy=INFRA,
    summary="compare what there is with what is wanted",
)
provision_infra = Step(
    module=MODULE,
    name="qinfra.provision",
    takes=ProvisionRequest,
    gives=Provisioned,
    policy=INFRA,
    summary="apply the plan",
)
rollback_infra = Step(
    module=MODULE,
    name="qinfra.roll_back",
    takes=UndoRequest,
    gives=RolledBack,
    policy=COMPENSATION,
    summary="restore what there was before",
)
destroy_infra = Step(
    module=MODULE,
    name="qinfra.destroy",
    takes=DestroyRequest,
    gives=Destroyed,
    policy=INFRA,
    summary="destroy the environment",
)

deploy = Step(
    module=MODULE,
    name="qinfra.deploy",
    takes=DeployRequest,
    gives=Deployed,
    policy=SAGA,
    summary="put the release in force",
)
rollback_deployment = Step(
    module=MODULE,
    name="qinfra.roll_back_deployment",
    takes=ReleaseRef,
    gives=DeploymentRolledBack,
    policy=COMPENSATION,
    summary="put the release before in force again",
)
verify_deployment = Step(
    module=MODULE,
    name="qinfra.verify_deployment",
    takes=ReleaseRef,
    gives=Verification,
    policy=SAGA,
    summary="run the smoke check of what is deployed",
)

notify = Step(
    module=MODULE,
    name="qinfra.notify",
    takes=Notification,
    gives=Notified,
    policy=NOTIFY,
    summary="tell people",
)
