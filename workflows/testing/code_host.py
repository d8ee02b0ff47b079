"""The contract of code hosts."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import ClassVar, Protocol

import pytest

from workflows.errors import (
    InvalidInputError,
    NotGenuineError,
    ProposalConflictError,
    ProposalTakenError,
    RunUndoneError,
)
from workflows.messages.code_generation import Fingerprint
from workflows.messages.code_host import (
    ProposalRef,
    ProposalState,
    ProposedFile,
    ProposeRequest,
)
from workflows.ports import CodeHost

SERVICE = "shop"
CODE = "PRICE = 5\n"
TESTS = "from shop import PRICE\n\n\ndef test_price():\n    assert PRICE == 5\n"


class ProposalRepository(Protocol):
    """The repository of a code host, as a test sees and changes it."""

    async def branches(self) -> set[str]:
        """Return the names of the branches that proposals have."""

    async def files(self, branch: str) -> Mapping[str, str]:
        """Return the files in the folder of ``SERVICE``, by path within it."""

    async def merge(self, branch: str) -> None:
        """Merge a branch into the target, as people do."""

    async def move_on(self) -> None:
        """Commit something else to the target, as people do."""


def file(path: str, content: str) -> ProposedFile:
    """Return a file with its fingerprint."""
    digest = sha256(content.encode()).hexdigest()
    fingerprint = Fingerprint(sha256=digest, agent="a test", inputs={})
    return ProposedFile(path=path, content=content, fingerprint=fingerprint)


def wanted(key: str, *files: ProposedFile) -> ProposeRequest:
    """Return a proposal; by default of a module and its tests."""
    return ProposeRequest(
        key=key,
        service=SERVICE,
        files=files or (file("shop.py", CODE), file("test_shop.py", TESTS)),
        title="Add the shop",
        text="It has a price.",
        at=datetime(2026, 11, 30, 8, tzinfo=UTC),
    )


class CodeHostContract:
    """What every ``CodeHost`` guarantees. Needs the fixtures ``code_host`` and ``repository``.

    Attributes:
        hostile_paths: Paths that lead out of the folder of the service, or hide.
    """

    hostile_paths: ClassVar[tuple[str, ...]] = (
        "/etc/passwd",
        "../x.py",
        "a/../../x.py",
        ".git/x",
    )

    async def test_the_branch_has_exactly_the_files(
        self, code_host: CodeHost, repository: ProposalRepository
    ) -> None:
        done = await code_host.propose(wanted("one"))
        found = await repository.files(done.branch)
        assert found == {"shop.py": CODE, "test_shop.py": TESTS}, f"the branch has {found}"
        again = await code_host.propose(wanted("two", file("new.py", CODE)))
        found = await repository.files(again.branch)
        assert found == {"new.py": CODE}, f"the branch has {found}"

    async def test_a_repeat_returns_the_same_commit(
        self, code_host: CodeHost, repository: ProposalRepository
    ) -> None:
        first = await code_host.propose(wanted("one"))
        await repository.move_on()
        assert await code_host.propose(wanted("one")) == first, "a repeat made something else"
        assert await repository.branches() == {first.branch}, "a repeat made another branch"

    async def test_attempts_at_the_same_time_make_one_branch(
        self, code_host: CodeHost, repository: ProposalRepository
    ) -> None:
        done = await asyncio.gather(*(code_host.propose(wanted("one")) for _ in range(3)))
        assert len({each.commit for each in done}) == 1, "the attempts made several commits"
        assert await repository.branches() == {done[0].branch}, "there are several branches"

    async def test_one_key_proposes_one_thing(self, code_host: CodeHost) -> None:
        await code_host.propose(wanted("one"))
        with pytest.raises(ProposalConflictError):
            await code_host.propose(wanted("one", file("shop.py", "PRICE = 6\n")))

    async def test_a_fingerprint_of_other_content_is_refused(
        self, code_host: CodeHost, repository: ProposalRepository
    ) -> None:
        forged = file("shop.py", CODE).model_copy(update={"content": "PRICE = 0\n"})
        with pytest.raises(NotGenuineError):
            await code_host.propose(wanted("one", forged))
        assert not await repository.branches(), "it was proposed all the same"

    async def test_no_path_leads_out_of_the_folder(self, code_host: CodeHost) -> None:
        for path in self.hostile_paths:
            with pytest.raises(InvalidInputError):
                await code_host.propose(wanted("one", file(path, CODE)))

    async def test_a_late_attempt_after_the_withdrawal_is_refused(
        self, code_host: CodeHost, repository: ProposalRepository
    ) -> None:
        await code_host.propose(wanted("one"))
        await code_host.withdraw(ref("one"))
        assert not await repository.branches(), "the branch is still there"
        with pytest.raises(RunUndoneError):
            await code_host.propose(wanted("one"))
        assert not await repository.branches(), "the late attempt made a branch"

    async def test_a_withdrawal_before_the_proposal_closes_the_key(
        self, code_host: CodeHost
    ) -> None:
        done = await code_host.withdraw(ref("one"))
        assert not done.withdrawn, "it withdrew what was never proposed"
        with pytest.raises(RunUndoneError):
            await code_host.propose(wanted("one"))

    async def test_a_repeated_withdrawal_gets_the_same_answer(
        self, code_host: CodeHost
    ) -> None:
        await code_host.propose(wanted("one"))
        first = await code_host.withdraw(ref("one"))
        assert first.withdrawn, "it withdrew nothing"
        assert await code_host.withdraw(ref("one")) == first, "the repeat has another answer"

    async def test_a_merge_is_noticed(
        self, code_host: CodeHost, repository: ProposalRepository
    ) -> None:
        done = await code_host.propose(wanted("one"))
        await repository.move_on()
        before = await code_host.status(ref("one"))
        assert before.state is ProposalState.OPEN, f"before the merge it is {before.state}"
        assert before.commit == done.commit, "the status is of another commit"
        await repository.merge(done.branch)
        after = await code_host.status(ref("one"))
        assert after.state is ProposalState.MERGED, f"after the merge it is {after.state}"

    async def test_a_withdrawn_proposal_is_closed(self, code_host: CodeHost) -> None:
        await code_host.propose(wanted("one"))
        await code_host.withdraw(ref("one"))
        status = await code_host.status(ref("one"))
        assert status.state is ProposalState.CLOSED, (
            f"after its withdrawal it is {status.state}"
        )

    async def test_what_people_merged_is_not_withdrawn(
        self, code_host: CodeHost, repository: ProposalRepository
    ) -> None:
        done = await code_host.propose(wanted("one"))
        await repository.merge(done.branch)
        with pytest.raises(ProposalTakenError):
            await code_host.withdraw(ref("one"))


def ref(key: str) -> ProposalRef:
    """Return the reference to a proposal."""
    return ProposalRef(key=key, service=SERVICE)
