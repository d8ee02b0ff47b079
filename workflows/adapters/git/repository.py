"""A remote repository, seen through a temporary one."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self
from urllib.parse import urlsplit

from typing_extensions import override

from workflows.adapters.processes import Finished, passed_on, run_tool
from workflows.errors import CodeHostFailedError

_CREDENTIALS = (
    "HOME",
    "USER",
    "SSH_AUTH_SOCK",
    "SSH_ASKPASS",
    "GIT_ASKPASS",
    "XDG_CONFIG_HOME",
)
_CONFIG = (
    # Hooks and templates of the worker's user are not ours to run.
    ("core.hooksPath", os.devnull),
    ("init.templateDir", ""),
    ("gc.auto", "0"),
    ("commit.gpgSign", "false"),
    ("core.quotePath", "false"),
)
_SAID = 500

Lease = str | None
"""The commit that a ref must have for a push; None if it must not exist."""


@dataclass(frozen=True)
class Identity:
    """The author of commits, who signs them off."""

    name: str
    email: str

    @override
    def __str__(self) -> str:
        """As git writes it."""
        return f"{self.name} <{self.email}>"


class Repository:
    """A remote repository. Create it with ``opened``.

    Raises:
        CodeHostFailedError: git failed; raised by all methods.
    """

    def __init__(self, url: str, folder: Path, seconds: float) -> None:
        self._url = url
        self._folder = folder
        self._seconds = seconds

    @classmethod
    @asynccontextmanager
    async def opened(cls, url: str, *, seconds: float) -> AsyncIterator[Self]:
        """Open a repository; each git command may take so many seconds."""
        with TemporaryDirectory(prefix="ntbridge-git-") as name:
            repository = cls(url, Path(name), seconds)
            await repository.git("init", "-q", "--bare", name, inside=False)
            await repository.git("remote", "add", "origin", url)
            yield repository

    async def refs(self, *names: str) -> dict[str, str]:
        """Return the commits of those remote refs that exist."""
        listed = await self.git("ls-remote", "origin", *names)
        pairs = [line.split("\t", 1) for line in listed.splitlines()]
        return {name: commit for commit, name in pairs if name in names}

    async def fetch(self, *commits: str, history: bool = False) -> None:
        """Fetch remote commits, with all before them if the history is needed."""
        depth = () if history else ("--depth=1",)
        await self.git(
            "fetch", "-q", "--no-tags", "--no-write-fetch-head", *depth, "origin", *commits
        )

    async def tree_with(self, base: str | None, folder: str, files: Mapping[str, bytes]) -> str:
        """Return the tree of a commit in which these files replace a folder."""
        if base is not None:
            await self.git("read-tree", base)
        gone = await self.git(
            "ls-files", "-z", "--", f":(literal){folder}/", f":(literal){folder}"
        )
        lines = [f"0 {'0' * 40}\t{path}" for path in gone.split("\0") if path]
        for path, content in files.items():
            blob = await self.git("hash-object", "-w", "--stdin", stdin=content)
            lines.append(f"100644 {blob.strip()}\t{folder}/{path}")
        index = "".join(f"{line}\0" for line in lines).encode()
        await self.git("update-index", "-z", "--index-info", stdin=index)
        return (await self.git("write-tree")).strip()

    async def commit(
        self, tree: str, message: str, *, base: str | None, by: Identity, at: datetime
    ) -> str:
        """Return a commit of a tree; the same arguments make the same commit."""
        date = f"@{int(at.timestamp())} +0000"
        env = {
            "GIT_AUTHOR_NAME": by.name,
            "GIT_AUTHOR_EMAIL": by.email,
            "GIT_AUTHOR_DATE": date,
            "GIT_COMMITTER_NAME": by.name,
            "GIT_COMMITTER_EMAIL": by.email,
            "GIT_COMMITTER_DATE": date,
        }
        parents = ("-p", base) if base is not None else ()
        made = await self.git("commit-tree", tree, *parents, stdin=message.encode(), env=env)
        return made.strip()

    async def push(
        self, updates: Mapping[str, str | None], leases: Mapping[str, Lease]
    ) -> bool:
        """Set refs to commits, or delete them (None), all or none.

        Returns:
            False if a ref is not as its lease says; then nothing was changed.
        """
        expected = [
            f"--force-with-lease={ref}:{commit or ''}" for ref, commit in leases.items()
        ]
        wanted = [f"{commit or ''}:{ref}" for ref, commit in updates.items()]
        finished = await self._run(
            ("push", "-q", "--atomic", "--no-verify", *expected, "origin", *wanted)
        )
        if finished.code == 0:
            return True
        said = finished.stderr.decode(errors="replace")
        now = await self.refs(*leases)
        if any(now.get(ref) != commit for ref, commit in leases.items()):
            return False
        raise CodeHostFailedError(
            f"git push to {shown(self._url)} failed: {said.strip()[-_SAID:]}"
        )

    async def git(
        self,
        *arguments: str,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        inside: bool = True,
    ) -> str:
        """Run git and return what it prints."""
        finished = await self._run(arguments, stdin=stdin, env=env, inside=inside)
        if finished.code != 0:
            said = finished.stderr.decode(errors="replace").strip()[-_SAID:]
            raise CodeHostFailedError(
                f"git {arguments[0]} of {shown(self._url)} failed: {said}"
            )
        return finished.stdout.decode(errors="replace")

    async def asks(self, *arguments: str) -> bool:
        """Run a git command that answers yes or no by its exit code."""
        finished = await self._run(arguments)
        if finished.code not in {0, 1}:
            said = finished.stderr.decode(errors="replace").strip()[-_SAID:]
            raise CodeHostFailedError(
                f"git {arguments[0]} of {shown(self._url)} failed: {said}"
            )
        return finished.code == 0

    async def _run(
        self,
        arguments: Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        inside: bool = True,
    ) -> Finished:
        place = ("-C", str(self._folder)) if inside else ()
        settings = [part for name, value in _CONFIG for part in ("-c", f"{name}={value}")]
        return await run_tool(
            ["git", *place, *settings, *arguments],
            stdin=stdin,
            seconds=self._seconds,
            env={
                **passed_on(_CREDENTIALS),
                "GIT_TERMINAL_PROMPT": "0",
                "GIT_ALLOW_PROTOCOL": "file:https:http:ssh",
                "LC_ALL": "C",
                **(env or {}),
            },
        )


def shown(url: str) -> str:
    """Return the address of a repository without credentials."""
    parts = urlsplit(url)
    if not parts.scheme or not (parts.username or parts.password):
        return url
    host = f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)
    return parts._replace(netloc=host).geturl()
