"""Something that makes environments what they should be."""

from typing import Protocol

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


class Provisioner(Protocol):
    """Makes environments what they should be.

    Changes of one environment exclude each other. Every change is keyed, and a repeat under its
    key finishes what is unfinished, and changes nothing otherwise.
    """

    async def plan(self, request: PlanRequest) -> Plan:
        """Compare what there is with what is wanted; changes nothing.

        Raises:
            InvalidInputError: What is wanted contradicts itself.
        """

    async def provision(self, request: ProvisionRequest) -> Provisioned:
        """Apply a plan, exactly as it stands.

        Raises:
            PlanOutdatedError: The environment is no longer what the plan was made for.
            ProvisionRefusedError: A resource can never be made like this.
            RunUndoneError: What was done under this key was undone: it comes too late.
        """

    async def roll_back(self, request: UndoRequest) -> RolledBack:
        """Restore what there was before the change under this key; harmless without one.

        Raises:
            PlanOutdatedError: Somebody else has changed the environment since.
        """

    async def destroy(self, request: DestroyRequest) -> Destroyed:
        """Destroy an environment; harmless when there is none."""
