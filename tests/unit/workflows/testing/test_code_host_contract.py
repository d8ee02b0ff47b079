"""The git code host passes the contract; for each of its tests, one with a fault fails it."""

from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path, PurePosixPath

import pytest
from typing_extensions import override

from tests.support.git_repository import BareRepository
from tests.support.wrong_adapters import contract_tests, fails
from workflows.adapters.git.code_host import GitCodeHost
from workflows.adapters.git.repository import Identity
from workflows.errors import (
    InvalidInputError,
    NotGenuineError,
    ProposalConflictError,
    ProposalTakenError,
    RunUndoneError,
)
from workflows.messages.code_host import (
    ProposalRef,
    ProposalState,
    ProposalStatus,
    Proposed,
    ProposeRequest,
    Withdrawn,
)
from workflows.ports import CodeHost
from workflows.testing.code_host import CodeHostContract

pytestmark = pytest.mark.slow


class TestGit(CodeHostContract):
    @pytest.fixture
    async def repository(self, tmp_path: Path) -> BareRepository:
        repository = BareRepository(tmp_path)
        await repository.create()
        return repository

    @pytest.fixture
    def code_host(self, repository: BareRepository) -> CodeHost:
        return GitCodeHost(str(repository.path), by=Identity("ntbridge", "bot@example.com"))


class Memory:
    """A repository in memory."""

    def __init__(self) -> None:
        self.proposals: dict[str, ProposeRequest] = {}
        self.heads: dict[str, dict[str, str]] = {}
        self.merged: set[str] = set()
        self.moves = 0

    async def branches(self) -> set[str]:
        return set(self.heads)

    async def files(self, branch: str) -> Mapping[str, str]:
        return self.heads[branch]

    async def merge(self, branch: str) -> None:
        self.merged.add(branch)

    async def move_on(self) -> None:
        self.moves += 1


class Right:
    """A code host that does what it should; each of the others has one fault."""

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.closed: dict[str, bool] = {}

    async def propose(self, request: ProposeRequest) -> Proposed:
        self.check(request)
        if request.key in self.closed:
            raise RunUndoneError(request.key)
        branch = self.branch(request)
        known = self.memory.proposals.setdefault(request.key, request)
        if known != request:
            raise ProposalConflictError(request.key)
        self.memory.heads[branch] = {file.path: file.content for file in request.files}
        return Proposed(
            repository="memory",
            branch=branch,
            commit=self.commit(request),
            target="m",
            base=None,
        )

    def check(self, request: ProposeRequest) -> None:
        for file in request.files:
            parts = PurePosixPath(file.path).parts
            if any(part.startswith(("/", ".")) for part in parts):
                raise InvalidInputError(file.path)
            digest = sha256(file.content.encode()).hexdigest()
            if file.fingerprint is not None and file.fingerprint.sha256 != digest:
                raise NotGenuineError(file.path)

    def branch(self, of: ProposeRequest | ProposalRef) -> str:
        return f"p/{of.key}"

    def commit(self, of: ProposeRequest | ProposalRef) -> str:
        return f"commit of {of.key}"

    async def status(self, proposal: ProposalRef) -> ProposalStatus:
        branch = self.branch(proposal)
        state = ProposalState.OPEN if branch in self.memory.heads else ProposalState.CLOSED
        if branch in self.memory.merged:
            state = ProposalState.MERGED
        return ProposalStatus(state=state, branch=branch, commit=self.commit(proposal))

    async def withdraw(self, proposal: ProposalRef) -> Withdrawn:
        branch = self.branch(proposal)
        if branch in self.memory.merged:
            raise ProposalTakenError(branch)
        there = self.memory.heads.pop(branch, None) is not None
        withdrawn = self.closed.setdefault(proposal.key, there)
        return Withdrawn(branch=branch, withdrawn=withdrawn)


class Adding(Right):
    @override
    async def propose(self, request: ProposeRequest) -> Proposed:
        done = await super().propose(request)
        self.memory.heads[done.branch]["notes.txt"] = "by the way"
        return done


class Following(Right):
    """Its commits depend on where the target is."""

    @override
    def commit(self, of: ProposeRequest | ProposalRef) -> str:
        return f"commit on {self.memory.moves}"


class Counting(Right):
    calls = 0

    @override
    def branch(self, of: ProposeRequest | ProposalRef) -> str:
        self.calls += 1
        return f"p/{of.key}/{self.calls}"


class Overwriting(Right):
    @override
    async def propose(self, request: ProposeRequest) -> Proposed:
        self.memory.proposals.pop(request.key, None)
        return await super().propose(request)


class Trusting(Right):
    @override
    def check(self, request: ProposeRequest) -> None:
        del request


class Forgetful(Right):
    """It does not remember what was withdrawn."""

    @override
    async def withdraw(self, proposal: ProposalRef) -> Withdrawn:
        done = await super().withdraw(proposal)
        self.closed.clear()
        return done


class Boastful(Right):
    @override
    async def withdraw(self, proposal: ProposalRef) -> Withdrawn:
        done = await super().withdraw(proposal)
        return done.model_copy(update={"withdrawn": True})


class Blind(Right):
    @override
    async def status(self, proposal: ProposalRef) -> ProposalStatus:
        status = await super().status(proposal)
        return status.model_copy(update={"state": ProposalState.OPEN})


class Ruthless(Right):
    @override
    async def withdraw(self, proposal: ProposalRef) -> Withdrawn:
        self.memory.merged.clear()
        return await super().withdraw(proposal)


class Example(CodeHostContract):
    __test__ = False


class TestRight(Example):
    __test__ = True

    @pytest.fixture
    def repository(self) -> Memory:
        return Memory()

    @pytest.fixture
    def code_host(self, repository: Memory) -> CodeHost:
        return Right(repository)


WRONG: dict[str, type[Right]] = {
    "test_the_branch_has_exactly_the_files": Adding,
    "test_a_repeat_returns_the_same_commit": Following,
    "test_attempts_at_the_same_time_make_one_branch": Counting,
    "test_one_key_proposes_one_thing": Overwriting,
    "test_a_fingerprint_of_other_content_is_refused": Trusting,
    "test_no_path_leads_out_of_the_folder": Trusting,
    "test_a_late_attempt_after_the_withdrawal_is_refused": Forgetful,
    "test_a_withdrawal_before_the_proposal_closes_the_key": Boastful,
    "test_a_repeated_withdrawal_gets_the_same_answer": Forgetful,
    "test_a_merge_is_noticed": Blind,
    "test_a_withdrawn_proposal_is_closed": Blind,
    "test_what_people_merged_is_not_withdrawn": Ruthless,
}


@pytest.mark.parametrize("test", WRONG)
async def test_a_wrong_code_host_fails(test: str) -> None:
    memory = Memory()
    await fails(Example(), test, {"code_host": WRONG[test](memory), "repository": memory})


def test_each_test_has_one_that_fails_it() -> None:
    assert set(WRONG) == contract_tests(CodeHostContract)
