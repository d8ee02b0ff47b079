"""The messages of Deploy: releases of services."""

from collections.abc import Mapping

from pydantic import Field

from workflows.messages.infra import NAME
from workflows.messages.message import Message

RELEASE = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
"""The pattern of release names."""


class DeployRequest(Message):
    """A release of a service, with its files.

    ``release`` is its identity: deploying it again changes nothing. ``smoke_check`` names the
    Python file that checks whether the service works (exit code 0); it reaches the service by the
    module ``service``. Without one, the service's Python modules are imported.
    """

    environment: str = Field(pattern=NAME)
    service: str = Field(pattern=NAME)
    release: str = Field(pattern=RELEASE)
    files: Mapping[str, str] = Field(min_length=1)
    """By path within the release, with ``/`` between the parts."""
    smoke_check: str | None = None


class Deployed(Message):
    """The release in force, and the previous one."""

    environment: str
    service: str
    release: str
    previous: str | None
    sha256: str
    """Digest of the release's files."""
    address: str | None = None
    """Where the service answers HTTP; None if the deployer does not start services."""
    serves: str = ""
    """``app``: its own ASGI application. ``functions``: it has no server, so its functions have a
    minimal HTTP face, ``POST /NAME`` with a JSON array of arguments."""


class ReleaseRef(Message):
    """One release of one service, to verify or to roll back."""

    environment: str = Field(pattern=NAME)
    service: str = Field(pattern=NAME)
    release: str = Field(pattern=RELEASE)


class DeploymentRolledBack(Message):
    """``undone`` is false if the release was not current: then nothing changed."""

    environment: str
    service: str
    undone: bool
    current: str | None
    """The release that is current now."""


class Verification(Message):
    """The result of the deployed service's smoke check."""

    environment: str
    service: str
    release: str
    passed: bool
    check: str
    """The check that ran."""
    seconds: float
    output: str = ""
    """The end of its output."""
