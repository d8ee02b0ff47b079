"""A bare git repository, used as people and servers use it."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from workflows.testing.code_host import SERVICE

FOLDER = f"services/{SERVICE}"
_IDENTITY = {
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.com",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.com",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
}


async def git(folder: Path, *arguments: str) -> str:
    """Run git as Ann; return what it prints."""
    program = await asyncio.create_subprocess_exec(
        *("git", "-C", str(folder), *arguments),
        env={**os.environ, **_IDENTITY},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    stdout, stderr = await program.communicate()
    assert program.returncode == 0, stderr.decode()
    return stdout.decode()


class BareRepository:
    """A bare repository in a folder, with a clone in which people work."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "shop.git"
        self._clone = folder / "clone"
        self._moves = 0
        self.known: set[str] = set()
        """Branches that a test has seen."""

    async def create(self, *, empty: bool = False) -> None:
        self.path.mkdir(parents=True)
        await git(self.path, "init", "-q", "--bare", "-b", "main")
        self._clone.mkdir()
        await git(self._clone, "clone", "-q", str(self.path), ".")
        await git(self._clone, "checkout", "-q", "-b", "main")
        if not empty:
            await self.write({f"{FOLDER}/old.py": "OLD = 1\n", "README": "Ours.\n"})

    async def write(self, files: Mapping[str, str]) -> str:
        """Commit files to the target."""
        if "main" in await git(self.path, "branch", "--format=%(refname:short)"):
            await git(self._clone, "fetch", "-q", "origin", "main")
            await git(self._clone, "reset", "-q", "--hard", "origin/main")
        for path, content in files.items():
            place = self._clone / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(content)
        await git(self._clone, "add", "-A")
        await git(self._clone, "commit", "-q", "-m", "Work")
        await git(self._clone, "push", "-q", "origin", "main")
        return (await git(self._clone, "rev-parse", "HEAD")).strip()

    async def branches(self) -> set[str]:
        listed = await git(self.path, "branch", "--format=%(refname:short)")
        return {name for name in listed.split() if name.startswith("ntbridge/")}

    async def tree(self, commit: str) -> dict[str, str]:
        """All files of a commit."""
        names = await git(self.path, "ls-tree", "-r", "--name-only", commit)
        return {
            name: await git(self.path, "show", f"{commit}:{name}") for name in names.split()
        }

    async def files(self, branch: str) -> dict[str, str]:
        found = await self.tree(branch)
        return {
            path.removeprefix(f"{FOLDER}/"): content
            for path, content in found.items()
            if path.startswith(f"{FOLDER}/")
        }

    async def merge(self, branch: str, *options: str) -> None:
        """Merge a branch, as people do; ``--squash`` and ``--ff-only`` are ways to do it."""
        await git(self._clone, "fetch", "-q", "origin", "main", branch)
        await git(self._clone, "reset", "-q", "--hard", "origin/main")
        await git(
            self._clone,
            "merge",
            "-q",
            *(options or ("--no-ff", "-m", "Merge")),
            f"origin/{branch}",
        )
        if "--squash" in options:
            await git(self._clone, "commit", "-q", "-m", "Squashed")
        await git(self._clone, "push", "-q", "origin", "main")

    async def change_and_merge(self, branch: str, files: Mapping[str, str]) -> None:
        """Change a proposal while it is merged."""
        await git(self._clone, "fetch", "-q", "origin", "main", branch)
        await git(self._clone, "reset", "-q", "--hard", "origin/main")
        await git(self._clone, "merge", "-q", "--no-ff", "--no-commit", f"origin/{branch}")
        for path, content in files.items():
            (self._clone / FOLDER / path).write_text(content)
        await git(self._clone, "add", "-A")
        await git(self._clone, "commit", "-q", "-m", "Merge, changed")
        await git(self._clone, "push", "-q", "origin", "main")

    async def push_to(self, branch: str) -> None:
        """Commit to the branch of a proposal."""
        await git(self._clone, "fetch", "-q", "origin", branch)
        await git(self._clone, "reset", "-q", "--hard", f"origin/{branch}")
        await git(self._clone, "commit", "-q", "--allow-empty", "-m", "More")
        await git(self._clone, "push", "-q", "origin", f"HEAD:{branch}")

    async def move_on(self) -> None:
        self._moves += 1
        await self.write({"elsewhere.txt": f"{self._moves}\n"})
