"""The messages of Deploy: releases of services."""

from collections.abc import Mapping

from pydantic import Field

from workflows.messages.infra import NAME
from workflows.messages.message import Message

RELEASE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
"""What a release may be called."""


class DeployRequest(Message):
    """A release of a service, with everything in it.

    ``release`` is its identity: the same one again changes nothing. ``smoke_check`` names the
    file that is run by Python to see whether the service works (exit code 0); without one, the
    service's Python modules are imported.
    """

    environment: str = Field(pattern=NAME)
    service: str = Field(pattern=NAME)
    release: str = Field(pattern=RELEASE)
    files: Mapping[str, str] = Field(min_length=1)
    """By path within the release, ``/`` between the parts."""
    smoke_check: str | None = None


class Deployed(Message):
    """The release that is current now, and the one that was before."""

    environment: str
    service: str
    release: str
    previous: str | None
    sha256: str
    """Of the release's files."""


class ReleaseRef(Message):
    """One release of one service: to verify it, or to take it back."""

    environment: str = Field(pattern=NAME)
    service: str = Field(pattern=NAME)
    release: str = Field(pattern=RELEASE)


class DeploymentRolledBack(Message):
    """``undone`` is false when the release was not current (any more): nothing was touched."""

    environment: str
    service: str
    undone: bool
    current: str | None
    """The release that is current now."""


class Verification(Message):
    """What came of running the service's smoke check as it is deployed."""

    environment: str
    service: str
    release: str
    passed: bool
    check: str
    """What was run."""
    seconds: float
    output: str = ""
    """The end of what it wrote."""
