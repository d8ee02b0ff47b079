"""QInfra: plans, provisions, restores and destroys environments."""

from temporalio import activity

from workflows.activities.heartbeats import heartbeating
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
from workflows.ports import Provisioner
from workflows.steps import qinfra as steps


class QInfraActivities:
    """The steps that change environments. Each has a key, so each is safe to repeat."""

    def __init__(self, provisioner: Provisioner) -> None:
        self._provisioner = provisioner

    @activity.defn(name=steps.plan_infra.name)
    async def plan(self, request: PlanRequest) -> Plan:
        """Compare the current state with the wanted one."""
        async with heartbeating():
            return await self._provisioner.plan(request)

    @activity.defn(name=steps.provision_infra.name)
    async def provision(self, request: ProvisionRequest) -> Provisioned:
        """Apply a plan."""
        async with heartbeating():
            return await self._provisioner.provision(request)

    @activity.defn(name=steps.rollback_infra.name)
    async def roll_back(self, request: UndoRequest) -> RolledBack:
        """Restore the previous state."""
        async with heartbeating():
            return await self._provisioner.roll_back(request)

    @activity.defn(name=steps.destroy_infra.name)
    async def destroy(self, request: DestroyRequest) -> Destroyed:
        """Destroy an environment."""
        async with heartbeating():
            return await self._provisioner.destroy(request)
