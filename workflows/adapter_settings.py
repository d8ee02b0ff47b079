"""Settings of adapters that need more than the default ones: ``NTBRIDGE_WORKER_TOFU__KINDS``, ….

`workflows.settings` says which adapter a module uses.
"""

import re
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr

from workflows.settings import Section, one_of


class TofuSettings(Section):
    """How the provisioner ``tofu`` works.

    Attributes:
        kinds: A folder with a module for each kind of resource, by its name; needed.
        program: ``tofu`` or ``terraform``; by default the first that is installed.
        state: The Postgres database with the states, as the backend ``pg`` takes it; default: the
            worker's. Its user creates the schema ``ntbridge_tofu`` there.
        passed: Patterns of environment variables for providers, as JSON: ``["AWS_*"]``.
        seconds: Timeout of each command.
    """

    kinds: Path | None = None
    program: Literal["tofu", "terraform"] | None = None
    state: SecretStr | None = None
    passed: tuple[str, ...] = ()
    seconds: float = Field(default=1200, gt=0, le=1700)


def _without_password(url: str) -> str:
    if urlsplit(url).password:
        raise ValueError(
            "must not have a password, because messages show it: use a credential helper of git"
        )
    return url


_FOLDER = re.compile(r"([\w-][\w.-]*(/[\w-][\w.-]*)*)?")


def _relative(folder: str) -> str:
    if not _FOLDER.fullmatch(folder):
        raise ValueError("must be a path within the repository, such as services")
    return folder


class CodeHostSettings(Section):
    """Where code is proposed to people.

    Attributes:
        adapter: ``git``: as a branch of ``repository``.
        repository: The URL or path of the repository; without one, no code is proposed. Git finds
            the credentials as it does for the worker's user.
        target: The branch into which people merge.
        folder: The folder that has a folder for each service; empty: the root.
        name: The author of commits, who signs them off.
        email: The author's address.
        seconds: Timeout of each git command.
        merge_requests: A factory of merge requests at a hosted service
            (`workflows.adapters.git.merge_requests`).
    """

    adapter: Annotated[str, one_of("git")] = "git"
    repository: Annotated[str, AfterValidator(_without_password)] | None = None
    target: str = Field(default="main", pattern=r"^[\w][\w./-]*$")
    folder: Annotated[str, AfterValidator(_relative)] = "services"
    name: str = Field(default="ntbridge", pattern=r"^[^<>\n]+$")
    email: str = Field(default="ntbridge@localhost", pattern=r"^[^<>\s]+$")
    seconds: float = Field(default=120, gt=0, le=600)
    merge_requests: Annotated[str, one_of()] | None = None
