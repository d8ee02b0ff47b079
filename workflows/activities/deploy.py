"""Deploy: releases of services, put in force, taken back, verified."""

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
    """The steps of a deployment. Each names its release, so each may be repeated."""

    def __init__(self, deployer: Deployer) -> None:
        self._deployer = deployer

    @activity.defn(name=steps.deploy.name)
    async def deploy(self, request: DeployRequest) -> Deployed:
        """Put a release in force."""
        async with heartbeating():
            return await self._deployer.deploy(request)

    @activity.defn(name=steps.rollback_deployment.name)
    async def roll_back(self, release: ReleaseRef) -> DeploymentRolledBack:
        """Put the release before in force again."""
        async with heartbeating():
            return await self._deployer.roll_back(release)

    @activity.defn(name=steps.verify_deployment.name)
    async def verify(self, release: ReleaseRef) -> Verification:
        """Run the smoke check of what is deployed."""
        async with heartbeating():
            return await self._deployer.verify(release)
