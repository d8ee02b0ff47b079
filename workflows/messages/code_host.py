"""The messages of the code host: code that is proposed as a branch."""

from datetime import datetime
from enum import StrEnum

from pydantic import Field

from workflows.messages.code_generation import Fingerprint
from workflows.messages.infra import NAME
from workflows.messages.message import Message


class ProposedFile(Message):
    """A file of a proposal; its path is within the folder of the service.

    The digest of a ``fingerprint`` must be that of the content; its envelope is proposed too.
    """

    path: str
    content: str
    fingerprint: Fingerprint | None = None


class ProposeRequest(Message):
    """Propose files as a branch; they replace the folder of the service.

    ``key`` identifies the effect (`workflows.platform.effects.effect_key`), ``at`` is the time of
    the commit: a repeat makes the same one.
    """

    key: str = Field(min_length=1)
    service: str = Field(pattern=NAME)
    files: tuple[ProposedFile, ...] = Field(min_length=1)
    title: str = Field(min_length=1)
    text: str = ""
    at: datetime


class Proposed(Message):
    """A branch with one commit."""

    repository: str
    branch: str
    commit: str
    target: str
    base: str | None
    """The commit of the target that it is based on; None if the target did not exist."""
    merge_request: str | None = None
    """The address of the merge request, if a hosted service has one."""


class ProposalRef(Message):
    """The proposal of a key, to look at or to withdraw."""

    key: str = Field(min_length=1)
    service: str = Field(pattern=NAME)


class ProposalState(StrEnum):
    """What became of a proposal."""

    OPEN = "open"
    MERGED = "merged"
    CHANGED = "changed"
    """Merged with other files than those that were proposed."""
    CLOSED = "closed"
    """Withdrawn, or its branch was deleted without a merge."""


class ProposalStatus(Message):
    """The state of a proposal. ``who`` and ``at`` are those of the commit that merged it.

    ``who`` is None if no commit says it: after a fast-forward, or when the files were merged as
    another commit.
    """

    state: ProposalState
    branch: str
    commit: str | None = None
    who: str | None = None
    at: datetime | None = None


class Withdrawn(Message):
    """``withdrawn`` is false if there was no proposal: then only its key was closed."""

    branch: str
    withdrawn: bool
