"""The steps of the code host: code that is proposed to people."""

from workflows.messages.code_host import (
    ProposalRef,
    ProposalStatus,
    Proposed,
    ProposeRequest,
    Withdrawn,
)
from workflows.platform.policies import COMPENSATION, SAGA
from workflows.platform.step import Step

MODULE = "qinfra"

propose = Step(
    module=MODULE,
    name="qinfra.propose",
    takes=ProposeRequest,
    gives=Proposed,
    policy=SAGA,
    summary="propose the code as a branch",
)
proposal_status = Step(
    module=MODULE,
    name="qinfra.proposal_status",
    takes=ProposalRef,
    gives=ProposalStatus,
    policy=SAGA,
    summary="look whether the proposal was merged",
)
withdraw = Step(
    module=MODULE,
    name="qinfra.withdraw_proposal",
    takes=ProposalRef,
    gives=Withdrawn,
    policy=COMPENSATION,
    summary="withdraw the proposal",
)
