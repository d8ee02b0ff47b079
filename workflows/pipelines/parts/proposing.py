"""Proposes code, tests and statements to people as a branch, and waits for their merge."""

from datetime import timedelta

from temporalio import workflow

from workflows.errors import ReviewRefusedError, ReviewTimedOutError
from workflows.messages.code_generation import Fingerprint, GeneratedCode
from workflows.messages.code_host import (
    ProposalRef,
    ProposalState,
    ProposalStatus,
    Proposed,
    ProposedFile,
    ProposeRequest,
)
from workflows.messages.suites import GeneratedSuite
from workflows.pipelines.parts.releasing import CODE, TESTS
from workflows.platform.effects import effect_key
from workflows.platform.result_events import ResultEvents
from workflows.platform.saga import Saga
from workflows.steps import codehost

FIRST_LOOK = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)
"""How often the code host is asked: after five seconds, then after twice the time, up to this."""


def proposal_of(
    service: str,
    code: GeneratedCode,
    suite: GeneratedSuite,
    fingerprints: tuple[Fingerprint | None, Fingerprint | None],
    text: str,
) -> ProposeRequest:
    """Return the proposal of code and its tests, with their fingerprints."""
    of_code, of_tests = fingerprints
    return ProposeRequest(
        key=effect_key(),
        service=service,
        files=(
            ProposedFile(path=CODE, content=code.code, fingerprint=of_code),
            ProposedFile(path=TESTS, content=suite.code, fingerprint=of_tests),
        ),
        title=f"Change {service}",
        text=text,
        at=workflow.now(),
    )


async def propose(
    request: ProposeRequest, saga: Saga, results: ResultEvents, *, emits: str
) -> Proposed:
    """Register the compensation, propose, and emit the event.

    Raises:
        ActivityError: It could not be proposed, or the run was cancelled.
    """
    saga.on_failure("withdraw the proposal", codehost.withdraw, _ref(request))
    proposed = await codehost.propose(request)
    await results.emit(emits, proposed)
    return proposed


async def wait_for_merge(request: ProposeRequest, *, within: timedelta) -> ProposalStatus:
    """Wait until people have merged a proposal.

    Raises:
        ReviewRefusedError: They deleted its branch, or merged other files.
        ReviewTimedOutError: They did neither in time.
        ActivityError: The code host failed, or the run was cancelled.
    """
    until, pause = workflow.now() + within, FIRST_LOOK
    while True:
        status = await codehost.proposal_status(_ref(request))
        if status.state is ProposalState.MERGED:
            return status
        if status.state is not ProposalState.OPEN:
            raise ReviewRefusedError(
                f"the proposal {status.branch} was not merged as it is: it is {status.state.value}"
            )
        left = until - workflow.now()
        if left <= timedelta():
            raise ReviewTimedOutError(f"nobody merged {status.branch} within {within}")
        await workflow.sleep(min(pause, left))
        pause = min(pause * 2, LONGEST_PAUSE)


def _ref(request: ProposeRequest) -> ProposalRef:
    return ProposalRef(key=request.key, service=request.service)
