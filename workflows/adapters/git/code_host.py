"""A ``CodeHost`` that is a git repository; the package's docstring says how."""

from collections.abc import Mapping

from workflows.adapters.git.contents import contents_of
from workflows.adapters.git.merge_requests import MergeRequests
from workflows.adapters.git.record import (
    Names,
    base_of,
    make_tombstone,
    merge_of,
    names_of,
    same_folder,
    tombstone_at,
)
from workflows.adapters.git.repository import Identity, Repository, shown
from workflows.errors import (
    CodeHostFailedError,
    InvalidSettingError,
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

_TRIES = 5


class NoCodeHost:
    """A ``CodeHost`` for workers without a repository: it refuses to propose.

    Args:
        reason: What is not set.
    """

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def propose(self, request: ProposeRequest) -> Proposed:
        """Refuse.

        Raises:
            InvalidSettingError: Always.
        """
        raise InvalidSettingError(
            f"the code of {request.service} cannot be proposed: {self._reason}"
        )

    async def status(self, proposal: ProposalRef) -> ProposalStatus:
        """Return that nothing is proposed."""
        return ProposalStatus(state=ProposalState.CLOSED, branch=names_of(proposal).branch)

    async def withdraw(self, proposal: ProposalRef) -> Withdrawn:
        """Do nothing: nothing was proposed."""
        return Withdrawn(branch=names_of(proposal).branch, withdrawn=False)


class GitCodeHost:
    """A ``CodeHost``.

    Args:
        repository: Its URL, or a path.
        target: The branch into which proposals are merged.
        folder: The folder that has a folder for each service.
        by: The author of commits, who signs them off.
        seconds: Timeout of each git command.
        merge_requests: Opens merge requests at a hosted service; None: people find the branch.
    """

    def __init__(
        self,
        repository: str,
        *,
        target: str = "main",
        folder: str = "services",
        by: Identity,
        seconds: float = 120,
        merge_requests: MergeRequests | None = None,
    ) -> None:
        self._url = repository
        self._target = target
        self._folder = folder
        self._by = by
        self._seconds = seconds
        self._merge_requests = merge_requests

    async def propose(self, request: ProposeRequest) -> Proposed:
        """Create a branch with one commit."""
        files = contents_of(request.files)
        names = names_of(request)
        async with Repository.opened(self._url, seconds=self._seconds) as repository:
            for _ in range(_TRIES):
                refs = await repository.refs(names.record, names.head, self._head)
                if (recorded := refs.get(names.record)) is not None:
                    base = await self._recognise(repository, recorded, request, files)
                    return await self._proposed(request, names, recorded, base)
                base = refs.get(self._head)
                commit = await self._commit(repository, request, files, base)
                if await repository.push(
                    {names.head: commit, names.record: commit},
                    {names.head: None, names.record: None},
                ):
                    return await self._proposed(request, names, commit, base)
                if names.head in refs and names.record not in refs:
                    raise ProposalConflictError(
                        f"a branch {names.branch} that the code host did not create exists"
                    )
        raise CodeHostFailedError(
            f"the branch {names.branch} of {shown(self._url)} keeps changing"
        )

    async def status(self, proposal: ProposalRef) -> ProposalStatus:
        """Return what became of a proposal."""
        names = names_of(proposal)
        async with Repository.opened(self._url, seconds=self._seconds) as repository:
            refs = await repository.refs(names.record, names.head, self._head)
            return await self._status(repository, names, refs, proposal.service)

    async def withdraw(self, proposal: ProposalRef) -> Withdrawn:
        """Delete the branch and put a tombstone in the place of the record."""
        names = names_of(proposal)
        async with Repository.opened(self._url, seconds=self._seconds) as repository:
            for _ in range(_TRIES):
                refs = await repository.refs(names.record, names.head, self._head)
                recorded = refs.get(names.record)
                if recorded is not None and (
                    before := await tombstone_at(repository, recorded)
                ):
                    return await self._withdrawn(names, withdrawn=before.withdrawn)
                if await self._bury(repository, names, refs, proposal):
                    return await self._withdrawn(names, withdrawn=recorded is not None)
        raise CodeHostFailedError(
            f"the branch {names.branch} of {shown(self._url)} keeps changing"
        )

    @property
    def _head(self) -> str:
        return f"refs/heads/{self._target}"

    async def _commit(
        self,
        repository: Repository,
        request: ProposeRequest,
        files: Mapping[str, bytes],
        base: str | None,
    ) -> str:
        if base is not None:
            await repository.fetch(base)
        tree = await repository.tree_with(base, self._place(request.service), files)
        text = f"{request.text.strip()}\n\n" if request.text.strip() else ""
        message = f"{request.title}\n\n{text}Run: {request.key}\nSigned-off-by: {self._by}\n"
        return await repository.commit(tree, message, base=base, by=self._by, at=request.at)

    async def _recognise(
        self,
        repository: Repository,
        recorded: str,
        request: ProposeRequest,
        files: Mapping[str, bytes],
    ) -> str | None:
        """Return the base of the recorded commit, if it proposes these files.

        Raises:
            RunUndoneError: The record is a tombstone.
            ProposalConflictError: It proposes other files.
        """
        if await tombstone_at(repository, recorded) is not None:
            raise RunUndoneError(f"the proposal of {request.key} was withdrawn")
        base = await base_of(repository, recorded)
        place = self._place(request.service)
        wanted = await repository.tree_with(None, place, files)
        if not await same_folder(repository, wanted, recorded, place):
            raise ProposalConflictError(f"{request.key} has already proposed other files")
        return base

    async def _status(
        self, repository: Repository, names: Names, refs: Mapping[str, str], service: str
    ) -> ProposalStatus:
        recorded, target = refs.get(names.record), refs.get(self._head)
        if recorded is None or await tombstone_at(repository, recorded):
            return ProposalStatus(state=ProposalState.CLOSED, branch=names.branch)
        status = ProposalStatus(state=ProposalState.OPEN, branch=names.branch, commit=recorded)
        if target is not None and target != await base_of(repository, recorded):
            await repository.fetch(target, recorded, history=True)
            if await repository.asks("merge-base", "--is-ancestor", recorded, target):
                merge = await merge_of(repository, recorded, target)
                as_proposed = merge.commit is None or await same_folder(
                    repository, recorded, merge.commit, self._place(service)
                )
                state = ProposalState.MERGED if as_proposed else ProposalState.CHANGED
                return status.model_copy(
                    update={"state": state, "who": merge.who, "at": merge.at}
                )
            # A squash or rebase: another commit, the same files.
            if await same_folder(repository, recorded, target, self._place(service)):
                return status.model_copy(update={"state": ProposalState.MERGED})
        if names.head not in refs:
            return status.model_copy(update={"state": ProposalState.CLOSED})
        return status

    async def _bury(
        self,
        repository: Repository,
        names: Names,
        refs: Mapping[str, str],
        proposal: ProposalRef,
    ) -> bool:
        """Replace the record by a tombstone and delete the branch, if nobody was faster.

        Raises:
            ProposalTakenError: People merged the proposal, or pushed to its branch.
        """
        recorded, head = refs.get(names.record), refs.get(names.head)
        if recorded is not None:
            status = await self._status(repository, names, refs, proposal.service)
            if status.state in {ProposalState.MERGED, ProposalState.CHANGED}:
                raise ProposalTakenError(
                    f"{names.branch} was merged into {self._target}"
                    + (f" by {status.who}" if status.who else "")
                    + f": revert commit {recorded}"
                )
            if head not in {None, recorded}:
                raise ProposalTakenError(
                    f"somebody pushed to {names.branch} ({head}): delete the branch yourself"
                )
        stone = await make_tombstone(repository, self._by, withdrawn=recorded is not None)
        updates: dict[str, str | None] = {names.record: stone}
        leases = {names.record: recorded}
        if recorded is not None and head is not None:
            updates[names.head], leases[names.head] = None, head
        return await repository.push(updates, leases)

    async def _proposed(
        self, request: ProposeRequest, names: Names, commit: str, base: str | None
    ) -> Proposed:
        proposed = Proposed(
            repository=shown(self._url),
            branch=names.branch,
            commit=commit,
            target=self._target,
            base=base,
        )
        if self._merge_requests is None:
            return proposed
        address = await self._merge_requests.open(proposed, request)
        return proposed.model_copy(update={"merge_request": address})

    async def _withdrawn(self, names: Names, *, withdrawn: bool) -> Withdrawn:
        if self._merge_requests is not None:
            await self._merge_requests.close(names.branch)
        return Withdrawn(branch=names.branch, withdrawn=withdrawn)

    def _place(self, service: str) -> str:
        return f"{self._folder}/{service}" if self._folder else service
