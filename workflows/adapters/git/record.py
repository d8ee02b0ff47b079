"""The record of a proposal: a ref in the repository, beside the branch that people see."""

from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256

from workflows.adapters.git.repository import Identity, Repository
from workflows.messages.code_host import ProposalRef, ProposeRequest

_TOMBSTONE = "withdrawn"
_EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
"""The tree without files, which no proposal has."""


@dataclass(frozen=True)
class Names:
    """The names of a proposal's branch and record."""

    branch: str
    record: str

    @property
    def head(self) -> str:
        """The ref of the branch."""
        return f"refs/heads/{self.branch}"


def names_of(of: ProposeRequest | ProposalRef) -> Names:
    """Return the names that the key of a proposal gives it."""
    digest = sha256(of.key.encode()).hexdigest()
    return Names(
        branch=f"ntbridge/{of.service}/{digest[:12]}",
        record=f"refs/ntbridge/proposals/{digest[:40]}",
    )


@dataclass(frozen=True)
class Tombstone:
    """Stands for a proposal that was withdrawn, or that may never be made."""

    withdrawn: bool


async def make_tombstone(repository: Repository, by: Identity, *, withdrawn: bool) -> str:
    """Return a commit that can replace the record of a proposal."""
    empty = (await repository.git("hash-object", "-w", "-t", "tree", "--stdin")).strip()
    message = f"{_TOMBSTONE}: {'yes' if withdrawn else 'nothing'}\n"
    return await repository.commit(
        empty, message, base=None, by=by, at=datetime.fromtimestamp(0, UTC)
    )


async def tombstone_at(repository: Repository, commit: str) -> Tombstone | None:
    """Return the tombstone that a record is, if it is one."""
    await repository.fetch(commit)
    said = await repository.git("show", "-s", "--format=%T%n%s", commit)
    tree, _, subject = said.strip().partition("\n")
    if tree != _EMPTY_TREE:
        return None
    return Tombstone(withdrawn=subject.endswith("yes"))


async def base_of(repository: Repository, commit: str) -> str | None:
    """Return the commit that a fetched commit is based on."""
    # The raw commit names its parent also where history was not fetched.
    raw = await repository.git("cat-file", "commit", commit)
    for line in raw.partition("\n\n")[0].splitlines():
        if line.startswith("parent "):
            return line.removeprefix("parent ")
    return None


async def same_folder(repository: Repository, one: str, other: str, folder: str) -> bool:
    """Return whether a folder of two commits or trees has the same files."""
    return await repository.asks("diff-tree", "--quiet", "-r", one, other, "--", folder)


@dataclass(frozen=True)
class Merge:
    """The commit by which people merged a proposal; None if they moved the target to it."""

    commit: str | None = None
    who: str | None = None
    at: datetime | None = None


async def merge_of(repository: Repository, commit: str, target: str) -> Merge:
    """Return how a commit that the target has came there."""
    path = f"{commit}..{target}"
    listed = await repository.git(
        "rev-list", "--first-parent", "--ancestry-path", "--merges", path
    )
    for merge in reversed(listed.split()):
        said = await repository.git("show", "-s", "--format=%P%n%an <%ae>%n%cI", merge)
        parents, who, at = said.strip().split("\n")
        if not await repository.asks("merge-base", "--is-ancestor", commit, parents.split()[0]):
            return Merge(merge, who, datetime.fromisoformat(at))
    return Merge()
