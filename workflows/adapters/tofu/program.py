"""Runs OpenTofu or Terraform in a temporary folder; states are in a backend that all workers see."""

import asyncio
import json
import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from workflows.adapters.processes import Finished, passed_on, run_tool
from workflows.adapters.tofu.changes import PlanFile
from workflows.adapters.tofu.configuration import KINDS, MARK, check, configuration
from workflows.errors import (
    InvalidInputError,
    PlanOutdatedError,
    ToolFailedError,
    ToolMissingError,
)
from workflows.messages.infra import Resource

PROGRAMS = ("tofu", "terraform")
PLAN = "plan.bin"
_SAID = 1000
_GRACE = 120
"""Seconds that the program gets to stop its work and save the state, when it is interrupted."""
_LOCK_FILE = ".terraform.lock.hcl"
_OURS = {
    # What the worker's environment may say about other work does not count.
    "TF_WORKSPACE": "",
    "TF_DATA_DIR": "",
    "TF_IN_AUTOMATION": "1",
    "TF_INPUT": "0",
    "CHECKPOINT_DISABLE": "1",  # no call home
}
_ALWAYS = ("HOME", "TF_*", "*_PROXY", "*_proxy", "SSL_CERT_*")


class Program:
    """OpenTofu or Terraform, with the modules that it may use.

    Args:
        kinds: A folder with a folder for each kind of resource: a module that takes ``name`` and
            the properties as variables. A lock file of providers beside them is not changed.
        backend: The block of the backend, by its type; it must have workspaces and locks.
        secrets: Variables with the credentials of the backend.
        name: The program; by default the first of ``PROGRAMS`` that is installed.
        passed: Patterns of further environment variables that it gets, for its providers.
        seconds: Timeout of each command; and of the wait for a lock of the state.
    """

    def __init__(
        self,
        kinds: Path,
        *,
        backend: Mapping[str, Any],
        secrets: Mapping[str, str] | None = None,
        name: str | None = None,
        passed: Sequence[str] = (),
        seconds: float = 1200,
    ) -> None:
        self._kinds = kinds
        self._backend = backend
        self._secrets = dict(secrets or {})
        self._name = name
        self._passed = (*_ALWAYS, *passed)
        self._seconds = seconds

    @asynccontextmanager
    async def opened(
        self, workspace: str, resources: Sequence[Resource], *, mark: str
    ) -> AsyncIterator["Workspace"]:
        """Open a workspace with a configuration of resources.

        Raises:
            InvalidInputError: A kind or a property is unknown, or a value is invalid.
            ToolMissingError: The program is not installed.
            ToolFailedError: It failed.
        """
        check(resources, self._known_kinds())
        with TemporaryDirectory(prefix="ntbridge-tofu-") as name:
            folder = Path(name)
            await asyncio.to_thread(self._write, folder, resources, mark)
            opened = Workspace(self._command(), folder, self._environment(), self._seconds)
            await opened.begin(workspace)
            yield opened

    def _known_kinds(self) -> list[str]:
        try:
            return [each.name for each in self._kinds.iterdir() if each.is_dir()]
        except OSError as error:
            raise ToolMissingError(
                f"the folder of kinds {self._kinds} cannot be read: {error.strerror}"
            ) from error

    def _write(self, folder: Path, resources: Sequence[Resource], mark: str) -> None:
        shutil.copytree(self._kinds, folder / KINDS)
        if (lock := self._kinds / _LOCK_FILE).exists():
            shutil.copy(lock, folder / _LOCK_FILE)
        made = configuration(resources, backend=self._backend, mark=mark)
        (folder / "main.tf.json").write_text(json.dumps(made))

    def _command(self) -> str:
        names = (self._name,) if self._name else PROGRAMS
        for name in names:
            if (found := shutil.which(name)) is not None:
                return found
        raise ToolMissingError(f"{' or '.join(names)} is not installed (not in PATH)")

    def _environment(self) -> dict[str, str]:
        names = [
            name
            for name in os.environ
            if any(fnmatchcase(name, pattern) for pattern in self._passed)
        ]
        return {**passed_on(names), **_OURS, **self._secrets}


class Workspace:
    """A configuration and a state. Methods raise ``ToolFailedError`` if the program fails."""

    def __init__(
        self, command: str, folder: Path, environment: Mapping[str, str], seconds: float
    ) -> None:
        self._command = command
        self._folder = folder
        self._environment = dict(environment)
        self._seconds = seconds

    async def begin(self, workspace: str) -> None:
        """Check the configuration and select the workspace.

        Raises:
            InvalidInputError: The configuration is invalid; the message lists every fault.
        """
        locked = await asyncio.to_thread((self._folder / _LOCK_FILE).exists)
        await self._run("init", "-no-color", *(["-lockfile=readonly"] if locked else []))
        finished = await self._try("validate", "-no-color", "-json")
        if faults := _faults(finished):
            raise InvalidInputError("; ".join(faults))
        await self._run("workspace", "select", "-or-create", workspace)

    async def mark(self) -> str | None:
        """Return the mark of the plan that was applied last; None if there is none."""
        outputs = json.loads(await self._run("output", "-no-color", "-json"))
        value = outputs.get(MARK, {}).get("value")
        return None if value is None else str(value)

    async def plan(self, name: str = PLAN) -> PlanFile:
        """Make a plan file and return what it changes."""
        await self._run("plan", "-no-color", self._lock, f"-out={name}")
        return await self.show(name)

    async def show(self, name: str = PLAN) -> PlanFile:
        """Return what a plan file changes."""
        return PlanFile(json.loads(await self._run("show", "-no-color", "-json", name)))

    async def read(self, name: str = PLAN) -> bytes:
        """Return the content of a plan file."""
        return await asyncio.to_thread((self._folder / name).read_bytes)

    async def write(self, content: bytes, name: str = PLAN) -> None:
        """Write a plan file."""
        await asyncio.to_thread((self._folder / name).write_bytes, content)

    async def apply(self, name: str = PLAN) -> None:
        """Apply a plan file.

        Raises:
            PlanOutdatedError: The state was changed since it was made.
        """
        log = self._folder / "apply.log"
        # Its output goes to a file: a broken pipe would end it when its worker is killed, before
        # it has saved the state.
        shell = ("/bin/sh", "-c", f'exec "$@" >{log} 2>&1', "sh")
        finished = await self._try("apply", "-no-color", self._lock, name, by=shell)
        if finished.code != 0:
            said = _readable((await asyncio.to_thread(log.read_bytes))[-_SAID:])
            if "plan is stale" in said:
                raise PlanOutdatedError(
                    "the state has changed since the plan was made: plan again"
                )
            raise ToolFailedError(f"{self._command} apply failed: {said}")

    @property
    def _lock(self) -> str:
        # A killed worker's program may still be at work: it holds the lock until it has ended.
        return f"-lock-timeout={self._seconds / 2:.0f}s"

    async def _run(self, *arguments: str) -> str:
        finished = await self._try(*arguments)
        if finished.code != 0:
            raise ToolFailedError(f"{self._command} {arguments[0]} failed: {_end_of(finished)}")
        return finished.stdout.decode(errors="replace")

    async def _try(self, *arguments: str, by: Sequence[str] = ()) -> Finished:
        return await run_tool(
            [*by, self._command, f"-chdir={self._folder}", *arguments],
            stdin=b"",
            seconds=self._seconds,
            env=self._environment,
            grace=_GRACE,
        )


def _end_of(finished: Finished) -> str:
    return _readable(finished.stderr or finished.stdout)[-_SAID:]


def _readable(output: bytes) -> str:
    """Return output without the program's frames."""
    lines = [line.strip(" │╷╵") for line in output.decode(errors="replace").splitlines()]
    return " ".join(line for line in lines if line)


def _faults(finished: Finished) -> list[str]:
    """Return the errors that ``validate -json`` found."""
    try:
        diagnostics = json.loads(finished.stdout).get("diagnostics", [])
    except json.JSONDecodeError as error:
        raise ToolFailedError(f"validate failed: {_end_of(finished)}") from error
    return [
        f"{each.get('detail') or each['summary']}"
        for each in diagnostics
        if each.get("severity") == "error"
    ]
