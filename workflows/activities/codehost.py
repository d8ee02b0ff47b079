"""Code host: proposes code to people, looks whether they merged it, and withdraws it."""

from temporalio import activity

from workflows.activities.heartbeats import heartbeating
from workflows.messages.code_host import (
    ProposalRef,
    ProposalStatus,
    Proposed,
    ProposeRequest,
    Withdrawn,
)
from workflows.ports import CodeHost
from workflows.steps import codehost as steps


class CodeHostActivities:
    """The steps of a proposal. Each has its key, so each is safe to repeat."""

    def __init__(self, code_host: CodeHost) -> None:
        self._code_host = code_host

    @activity.defn(name=steps.propose.name)
    async def propose(self, request: ProposeRequest) -> Proposed:
        """Create the branch."""
        async with heartbeating():
            return await self._code_host.propose(request)

    @activity.defn(name=steps.proposal_status.name)
    async def status(self, proposal: ProposalRef) -> ProposalStatus:
        """Look whether the proposal was merged."""
        async with heartbeating():
            return await self._code_host.status(proposal)

    @activity.defn(name=steps.withdraw.name)
    async def withdraw(self, proposal: ProposalRef) -> Withdrawn:
        """Delete the branch."""
        async with heartbeating():
            return await self._code_host.withdraw(proposal)
