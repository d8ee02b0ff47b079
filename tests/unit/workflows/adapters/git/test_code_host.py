"""Proposals in a real repository: their content, how people merge them, and kills."""

import re
from collections.abc import Callable, Coroutine
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.support.git_repository import FOLDER, BareRepository, git
from workflows.adapters.git.code_host import GitCodeHost
from workflows.adapters.git.record import names_of
from workflows.adapters.git.repository import Identity, Repository, shown
from workflows.adapters.qlafs import dsse
from workflows.adapters.qlafs.keys import key_id
from workflows.adapters.qlafs.statements import FINGERPRINT, Subject, statement, subjects_of
from workflows.errors import (
    CodeHostFailedError,
    InvalidInputError,
    NotGenuineError,
    ProposalConflictError,
    ProposalTakenError,
    RunUndoneError,
)
from workflows.messages.code_host import (
    ProposalState,
    Proposed,
    ProposedFile,
    ProposeRequest,
)
from workflows.messages.provenance import RunReference, SignedEnvelope
from workflows.testing.code_host import CODE, file, ref, wanted

pytestmark = pytest.mark.slow

KEY = Ed25519PrivateKey.generate()
BY = Identity("ntbridge", "bot@example.com")


@pytest.fixture
async def repository(tmp_path: Path) -> BareRepository:
    repository = BareRepository(tmp_path)
    await repository.create()
    return repository


@pytest.fixture
def host(repository: BareRepository) -> GitCodeHost:
    return GitCodeHost(str(repository.path), by=BY)


def signed(path: str, content: str) -> ProposedFile:
    plain = file(path, content)
    assert plain.fingerprint is not None
    payload = statement(
        subject=Subject("run/qagent-v1", {"sha256": plain.fingerprint.sha256}),
        kind=FINGERPRINT,
        agent="qagent-v1",
        inputs={},
        run=RunReference(namespace="n", workflow_type="t", workflow_id="w", run_id="r"),
        previous=None,
        events=[],
    )
    envelope = dsse.sign(payload, KEY)
    fingerprint = plain.fingerprint.model_copy(update={"envelope": envelope})
    return plain.model_copy(update={"fingerprint": fingerprint})


async def test_the_branch_has_the_signed_files_and_the_rest_of_the_target(
    host: GitCodeHost, repository: BareRepository
) -> None:
    done = await host.propose(wanted("run/1", signed("shop.py", CODE)))
    assert re.fullmatch(r"ntbridge/shop/[0-9a-f]{12}", done.branch)
    tree = await repository.tree(done.branch)
    statement_of = f"{FOLDER}/provenance/shop.py.dsse.json"
    assert set(tree) == {"README", f"{FOLDER}/shop.py", statement_of}
    assert tree[f"{FOLDER}/shop.py"] == CODE
    # Everybody who has the public key can verify the branch alone.
    envelope = SignedEnvelope.model_validate_json(tree[statement_of])
    payload = dsse.opened(envelope, {key_id(KEY.public_key()): KEY.public_key()})
    assert subjects_of(payload) == {sha256(CODE.encode()).hexdigest()}


async def test_the_commit_is_signed_off_and_says_where_it_is_from(
    host: GitCodeHost, repository: BareRepository
) -> None:
    done = await host.propose(wanted("run/1"))
    said = await git(repository.path, "show", "-s", "--format=%an|%ae|%ct|%B", done.commit)
    assert said.strip() == (
        "ntbridge|bot@example.com|1796025600|Add the shop\n\nIt has a price.\n\n"
        "Run: run/1\nSigned-off-by: ntbridge <bot@example.com>"
    )
    head = await git(repository.path, "rev-parse", "main")
    assert done.base == head.strip()


async def test_a_statement_about_other_content_is_refused(host: GitCodeHost) -> None:
    other = signed("shop.py", "PRICE = 0\n").fingerprint
    assert other is not None
    right = file("shop.py", CODE)
    assert right.fingerprint is not None
    forged = right.fingerprint.model_copy(update={"envelope": other.envelope})
    with pytest.raises(NotGenuineError, match=r"shop\.py is of other content"):
        await host.propose(wanted("one", right.model_copy(update={"fingerprint": forged})))


@pytest.mark.parametrize("path", ["provenance/x", "", "a\nb", "a/.hidden"])
async def test_paths_that_are_refused(host: GitCodeHost, path: str) -> None:
    with pytest.raises(InvalidInputError):
        await host.propose(wanted("one", file(path, CODE)))
    with pytest.raises(InvalidInputError, match="two files"):
        await host.propose(wanted("one", file("a.py", CODE), file("a.py", CODE)))


async def test_the_first_proposal_of_an_empty_repository(tmp_path: Path) -> None:
    repository = BareRepository(tmp_path)
    await repository.create(empty=True)
    host = GitCodeHost(str(repository.path), by=BY, folder="")
    done = await host.propose(wanted("one"))
    assert done.base is None
    assert set(await repository.tree(done.branch)) == {"shop/shop.py", "shop/test_shop.py"}
    assert await host.propose(wanted("one")) == done


@pytest.mark.parametrize(
    ("options", "who"),
    [((), "Ann <ann@example.com>"), (("--ff-only",), None), (("--squash",), None)],
)
async def test_people_merge_in_several_ways(
    host: GitCodeHost, repository: BareRepository, options: tuple[str, ...], who: str | None
) -> None:
    done = await host.propose(wanted("one"))
    await repository.merge(done.branch, *options)
    await repository.write({f"{FOLDER}/later.py": "LATER = 1\n"} if who else {"other": "x"})
    await git(repository.path, "branch", "-D", done.branch)  # as hosted services do
    status = await host.status(ref("one"))
    assert (status.state, status.who) == (ProposalState.MERGED, who)
    assert (status.at is not None) == (who is not None)


async def test_a_merge_that_changes_the_files_is_no_approval(
    host: GitCodeHost, repository: BareRepository
) -> None:
    done = await host.propose(wanted("one"))
    await repository.change_and_merge(done.branch, {"shop.py": "PRICE = 0\n"})
    assert (await host.status(ref("one"))).state is ProposalState.CHANGED
    with pytest.raises(ProposalTakenError, match="merged into main by Ann"):
        await host.withdraw(ref("one"))


async def test_a_branch_that_people_delete_is_closed(
    host: GitCodeHost, repository: BareRepository
) -> None:
    done = await host.propose(wanted("one"))
    await git(repository.path, "branch", "-D", done.branch)
    assert (await host.status(ref("one"))).state is ProposalState.CLOSED
    assert (await host.withdraw(ref("one"))).withdrawn


async def test_a_branch_that_people_pushed_to_is_theirs(
    host: GitCodeHost, repository: BareRepository
) -> None:
    done = await host.propose(wanted("one"))
    await repository.push_to(done.branch)
    with pytest.raises(ProposalTakenError, match="somebody pushed"):
        await host.withdraw(ref("one"))
    assert await repository.branches() == {done.branch}


async def test_a_branch_of_the_name_that_somebody_made_is_not_overwritten(
    host: GitCodeHost, repository: BareRepository
) -> None:
    branch = names_of(ref("one")).branch
    await git(repository.path, "branch", branch, "main")
    with pytest.raises(ProposalConflictError, match="did not create"):
        await host.propose(wanted("one"))
    assert not (await host.withdraw(ref("one"))).withdrawn
    assert await repository.branches() == {branch}


class Killed(BaseException):
    """Stands for SIGKILL."""


Push = Callable[..., Coroutine[Any, Any, bool]]


@pytest.mark.parametrize("after", [False, True])
async def test_killed_before_or_after_a_push_the_retry_completes_it(
    host: GitCodeHost,
    repository: BareRepository,
    monkeypatch: pytest.MonkeyPatch,
    *,
    after: bool,
) -> None:
    push: Push = Repository.push

    async def killed(*arguments: Any) -> bool:
        if after:
            await push(*arguments)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Repository, "push", killed)
        with pytest.raises(Killed):
            await host.propose(wanted("one"))
    assert len(await repository.branches()) == after
    await repository.move_on()
    done = await host.propose(wanted("one"))
    assert await repository.branches() == {done.branch}
    with monkeypatch.context() as patch:
        patch.setattr(Repository, "push", killed)
        with pytest.raises(Killed):
            await host.withdraw(ref("one"))
    assert (await host.withdraw(ref("one"))).withdrawn
    assert await repository.branches() == set()
    with pytest.raises(RunUndoneError):
        await host.propose(wanted("one"))


class Requests:
    """The merge requests of a hosted service."""

    def __init__(self) -> None:
        self.open_ones: dict[str, str] = {}

    async def open(self, proposed: Proposed, request: ProposeRequest) -> str:
        return self.open_ones.setdefault(proposed.branch, f"https://acme/{request.service}/1")

    async def close(self, branch: str) -> None:
        self.open_ones.pop(branch, None)


async def test_a_hosted_service_gets_a_merge_request(repository: BareRepository) -> None:
    requests = Requests()
    host = GitCodeHost(str(repository.path), by=BY, merge_requests=requests)
    done = await host.propose(wanted("one"))
    assert done.merge_request == "https://acme/shop/1"
    assert await host.propose(wanted("one")) == done
    await host.withdraw(ref("one"))
    assert requests.open_ones == {}


async def test_a_repository_that_is_away_is_worth_a_retry(tmp_path: Path) -> None:
    away = GitCodeHost(f"file://{tmp_path}/nowhere", by=BY)
    with pytest.raises(CodeHostFailedError, match=r"git ls-remote of file://.*nowhere failed"):
        await away.propose(wanted("one"))


def test_no_credentials_are_shown() -> None:
    assert (
        shown("https://ann:secret@acme.example:8443/x.git") == "https://acme.example:8443/x.git"
    )
    assert shown("git@acme.example:x.git") == "git@acme.example:x.git"
