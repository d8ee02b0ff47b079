"""Deploy: deploys, rolls back and verifies releases of services."""

from temporalio import activity

from workflows.activities.heartbeats import heartbeating
from workflows.messages.deployment import (
    Deployed,
    DeploymentRolledBack,
    DeployRequest,
    ReleaseRef,
    Verification,
)
from workflows.ports import Deployer
from workflows.steps import qinfra as steps


class DeployActivities:
    """The steps of a deployment. Each names its release, so each is safe to repeat."""

    def __init__(self, deployer: Deployer) -> None:
        self._deployer = deployer

    @activity.defn(name=steps.deploy.name)
    async def deploy(self, request: DeployRequest) -> Deployed:
        """Make a release current."""
        async with heartbeating():
            return await self._deployer.deploy(request)

    @activity.defn(name=steps.rollback_deployment.name)
    async def roll_back(self, release: ReleaseRef) -> DeploymentRolledBack:
        """Make the previous release current again."""
        async with heartbeating():
            return await self._deployer.roll_back(release)

    @activity.defn(name=steps.verify_deployment.name)
    async def verify(self, release: ReleaseRef) -> Verification:
        """Run the smoke check of the deployed release."""
        async with heartbeating():
            return await self._deployer.verify(release)
