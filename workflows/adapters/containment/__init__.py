"""Runs untrusted code, isolated from the worker (see ``cage``)."""

import asyncio
import json
import os
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from socket import socket
from typing import Final

from workflows.adapters.containment.cage.kernel import PR_SET_DUMPABLE, REFUSED, STOPPED, call
from workflows.adapters.containment.leftovers import remove_folder
from workflows.adapters.processes import Finished, kill_tool, start_tool, watch_tool
from workflows.errors import ToolFailedError, UncontainedError

WORK: Final = "/cage"
"""The folder of a caged program with its own root."""

_CAGE: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from cage.program import main; main()"
)
"""Imports the cage as a top-level package: the bare interpreter has no other package."""
_PROGRAM: Final = (sys.executable, "-I", "-S", "-c", _CAGE, str(Path(__file__).parent))
_SYSTEM: Final = ("/usr", "/bin", "/lib", "/lib64", "/lib32", "/sbin")
_PREFIX: Final = "ntbridge-cage-"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a caged program; sizes in bytes."""

    seconds: float = 120
    cpu: int = 60
    """Processor seconds of each process."""
    memory: int = 2**30
    """Address space of each process, and memory of all processes together."""
    disk: int = 64 * 2**20
    """Size of the program's folder."""
    file_size: int = 32 * 2**20
    processes: int = 24
    """Number of processes and threads together."""
    output: int = 4 * 2**20
    watch_every: float = 0.02
    """Seconds between two measurements of all processes together."""


@dataclass(frozen=True)
class Caged:
    """The result of a caged program, and its containment.

    ``exceeded`` is the common limit of all processes for which it was killed, if any.
    """

    finished: Finished
    held: tuple[str, ...]
    exceeded: str = ""


@dataclass
class Containment:
    """Runs programs in cages.

    Args:
        limits: The limits of each of them.
        required: Whether to refuse when the kernel forbids namespaces. Without them only
            Landlock protects the host's files.
        setting: The worker's setting for weaker containment; named in the error.
        folder: Where folders of programs without their own root are created; default: the
            system's temporary folder.
    """

    limits: Limits = field(default_factory=Limits)
    required: bool = True
    setting: str = "NTBRIDGE_WORKER_QTEST__CONTAINMENT"
    folder: Path | None = None
    _held: tuple[str, ...] | None = None
    _probing: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def run(
        self,
        command: Sequence[str],
        *,
        files: Mapping[str, str],
        key: str = "",
        descriptors: Sequence[int] = (),
    ) -> Caged:
        """Run a program in a cage with the files in its folder.

        The program gets none of the worker's environment. It sees the system's programs, the
        interpreter with its packages, and its own folder. Cancelling the call ends it and all
        its processes. ``{work}`` in the command is replaced by its folder. The program inherits
        the descriptors: they are all that it can talk to.

        Raises:
            UncontainedError: This machine cannot contain it, and containment is required.
            ToolFailedError: The cage failed.
        """
        held = await self.held()
        async with self._folder(key, held) as work:
            finished = await self._launch(
                command, files, work, probe=False, descriptors=descriptors
            )
        if finished.code == REFUSED and finished.stderr.startswith(b"cage:"):
            raise ToolFailedError(_said(finished))
        return Caged(finished, held, _exceeded(finished))

    @asynccontextmanager
    async def serving(
        self, command: Sequence[str], *, files: Mapping[str, str], listener: socket
    ) -> AsyncIterator[Process]:
        """Start a program that accepts connections on a listening socket; yield its process.

        It may accept connections, and cannot open any. Leaving the block ends it and all its
        processes. The time limit does not apply; ``{listener}`` in the command is replaced by the
        number of the descriptor.

        Raises:
            UncontainedError: This machine cannot contain it, and containment is required.
        """
        held = await self.held()
        number = listener.fileno()
        command = [part.replace("{listener}", str(number)) for part in command]
        async with self._folder("", held) as work:
            orders = self._orders(command, files, work, probe=False, serves=True)
            process = await start_tool(_PROGRAM, descriptors=[number])
            try:
                if process.stdin is not None:
                    process.stdin.write(json.dumps(orders).encode())
                    process.stdin.close()
                yield process
            finally:
                await kill_tool(process)

    async def held(self) -> tuple[str, ...]:
        """Return the containment that this machine offers.

        Raises:
            UncontainedError: It is not sufficient.
        """
        async with self._probing:
            if self._held is None:
                self._held = await self._probe()
        return self._held

    def clean_up(self, key: str) -> tuple[str, ...]:
        """Remove the folders that a killed worker left from programs of this key."""
        left = sorted(self._base().glob(f"{_prefix_of(key)}*"))
        for folder in left:
            remove_folder(folder)
        return tuple(str(folder) for folder in left)

    async def _probe(self) -> tuple[str, ...]:
        finished = await self._launch(["true"], {}, WORK, probe=True)
        if finished.code == 0:
            return tuple(json.loads(finished.stdout))
        if self.required:
            raise UncontainedError(
                f"this machine cannot contain untrusted code: {_said(finished)}. Allow "
                "user namespaces, run the worker as root of a container that may make "
                f"namespaces, or accept weaker containment by {self.setting}=best-effort"
            )
        if os.geteuid() != 0:
            # The program has the worker's user: without this, and where Landlock is missing, it
            # could read the worker's memory and environment in /proc.
            call("prctl", PR_SET_DUMPABLE, 0, 0, 0, 0)
        async with self._folder("", ()) as work:
            finished = await self._launch(["true"], {}, work, probe=True)
        if finished.code != 0:
            raise UncontainedError(f"no limits can be set here: {_said(finished)}")
        return tuple(json.loads(finished.stdout))

    async def _launch(
        self,
        command: Sequence[str],
        files: Mapping[str, str],
        work: str,
        *,
        probe: bool,
        descriptors: Sequence[int] = (),
    ) -> Finished:
        orders = self._orders(command, files, work, probe=probe, serves=False)
        return await watch_tool(
            _PROGRAM,
            stdin=json.dumps(orders).encode(),
            seconds=self.limits.seconds,
            most_output=self.limits.output,
            descriptors=descriptors,
        )

    def _orders(
        self,
        command: Sequence[str],
        files: Mapping[str, str],
        work: str,
        *,
        probe: bool,
        serves: bool,
    ) -> dict[str, object]:
        return {
            "command": [part.replace("{work}", work) for part in command],
            "environment": {
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "LANG": "C.UTF-8",
                "HOME": f"{work}/home",
                "TMPDIR": f"{work}/home",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONHASHSEED": "0",
            },
            "files": dict(files),
            "readable": _readable(),
            "work": work,
            "namespaces": work == WORK,
            "parent": os.getpid(),
            "memory": self.limits.memory,
            "cpu": self.limits.cpu,
            "file_size": self.limits.file_size,
            "disk": self.limits.disk,
            "processes": self.limits.processes,
            "watch_every": self.limits.watch_every,
            "serves": serves,
            "probe": probe,
        }

    @asynccontextmanager
    async def _folder(self, key: str, held: tuple[str, ...]) -> AsyncIterator[str]:
        """Yield the program's folder: in its own root, or else a temporary one of the host."""
        if "own root" in held:
            yield WORK
            return
        folder = tempfile.mkdtemp(prefix=_prefix_of(key), dir=self._base())
        try:
            yield folder
        finally:
            await asyncio.to_thread(remove_folder, Path(folder))

    def _base(self) -> Path:
        return self.folder or Path(tempfile.gettempdir())


def _readable() -> list[str]:
    """Return the folders that a program needs: no configuration, home or state of the worker."""
    interpreter = {sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parents[1])}
    wanted = [*_SYSTEM, "/etc/alternatives", *sorted(interpreter)]
    return [
        folder
        for folder in dict.fromkeys(wanted)
        if not any(folder.startswith(f"{other}/") for other in wanted)
    ]


def _prefix_of(key: str) -> str:
    return f"{_PREFIX}{sha256(key.encode()).hexdigest()[:16]}-" if key else _PREFIX


def _exceeded(finished: Finished) -> str:
    """Return the watch's reason, which is the last line of standard error."""
    if finished.code != STOPPED:
        return ""
    line = finished.stderr.decode(errors="replace").strip().rpartition("\n")[2]
    return line.rpartition("cage: ")[2]


def _said(finished: Finished) -> str:
    return finished.stderr.decode(errors="replace").strip()[-500:] or f"code {finished.code}"
