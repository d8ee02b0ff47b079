"""Something that puts releases of services in force."""

from typing import Protocol

from workflows.messages.deployment import (
    Deployed,
    DeploymentRolledBack,
    DeployRequest,
    ReleaseRef,
    Verification,
)


class Deployer(Protocol):
    """Puts releases of services in force, one at a time for each service."""

    async def deploy(self, request: DeployRequest) -> Deployed:
        """Put a release in force; one that is found unhealthy is taken back at once.

        Raises:
            DeploymentUnhealthyError: It was; the release before is in force again.
            ReleaseConflictError: There is a release of this name with other files.
            RunUndoneError: It was taken back: it comes too late.
        """

    async def roll_back(self, release: ReleaseRef) -> DeploymentRolledBack:
        """Put the release before in force again, if this one is; harmless otherwise."""

    async def verify(self, release: ReleaseRef) -> Verification:
        """Run the smoke check of the release in force; what fails is told, not raised.

        Raises:
            NotDeployedError: This release is not in force.
        """
