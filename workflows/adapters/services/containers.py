"""Instances in containers: an image for each release, built and run by podman or Docker."""

import asyncio
import shutil
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from pathlib import Path
from socket import socket
from typing import Final

from workflows.adapters.local.files import write_files
from workflows.adapters.processes import (
    Finished,
    kill_tool,
    passed_on,
    run_tool,
    start_tool,
)
from workflows.adapters.services.launchers import PROGRAM
from workflows.errors import ToolFailedError

_PORT: Final = 8080
_BUILD_SECONDS: Final = 600.0
_ASK_SECONDS: Final = 60.0
ENGINE_VARIABLES: Final = (
    *("HOME", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF", "DOCKER_HOST", "XDG_RUNTIME_DIR"),
)
"""How podman and Docker find their configuration and their server."""
_CONTAINERFILE: Final = """\
FROM {image}
COPY serve_release.py /serve_release.py
COPY release /release
ENV PYTHONDONTWRITEBYTECODE=1
USER 65534:65534
CMD ["python3", "-I", "-B", "/serve_release.py", ":{port}", "/release"]
"""


class ContainerLauncher:
    """A ``Launcher``: the container has no capabilities, a read-only root and limits.

    Unlike a cage it may open connections, as far as the engine's network lets it.

    Args:
        engine: The program, podman or docker, with its global flags.
        image: The base image; it needs ``python3`` (3.11 or later), and uvicorn for releases
            that have an application of their own.
        service: Names the containers of this service.
        memory: Limit of the memory of a container, in bytes.
    """

    def __init__(self, engine: Sequence[str], image: str, service: str, *, memory: int) -> None:
        self._engine = list(engine)
        self._image = image
        self._label = f"ntbridge.service={service}"
        self._memory = memory

    async def clean(self) -> None:
        """Remove the containers that a killed supervisor has left."""
        listed = await self._run("ps", "--all", "--quiet", "--filter", f"label={self._label}")
        for container in listed.stdout.decode().split():
            await self._run("rm", "--force", container)

    @asynccontextmanager
    async def launched(
        self, files: Mapping[str, str], listener: socket
    ) -> AsyncIterator[Process]:
        """Build the image, unless it exists, and run it on the listener's port."""
        host, port = listener.getsockname()[:2]
        image = await self._built(files)
        listener.close()  # the engine listens there
        name = f"ntbridge-{sha256(f'{self._label} {port}'.encode()).hexdigest()[:16]}"
        process = await start_tool(
            [
                *self._engine,
                *("run", "--rm", "--name", name, "--label", self._label),
                *("--publish", f"{host}:{port}:{_PORT}", "--read-only", "--cap-drop=ALL"),
                *("--security-opt=no-new-privileges", f"--memory={self._memory}", image),
            ],
            env=passed_on(ENGINE_VARIABLES),
        )
        try:
            yield process
        finally:
            try:
                await self._run("rm", "--force", name)
            finally:
                await kill_tool(process)

    async def _built(self, files: Mapping[str, str]) -> str:
        contents = {f"release/{path}": text for path, text in files.items()}
        contents["serve_release.py"] = PROGRAM.read_text(encoding="utf-8")
        contents["Containerfile"] = _CONTAINERFILE.format(image=self._image, port=_PORT)
        digest = sha256(repr(sorted(contents.items())).encode()).hexdigest()
        image = f"localhost/ntbridge-release:{digest[:32]}"
        known = await self._run("image", "inspect", image, check=False)
        if known.code == 0:
            return image
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="ntbridge-image-"))
        try:
            await asyncio.to_thread(write_files, folder, contents)
            await self._run(
                *("build", "--quiet", "--tag", image),
                *("--file", str(folder / "Containerfile"), str(folder)),
                seconds=_BUILD_SECONDS,
            )
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        return image

    async def _run(
        self, *arguments: str, check: bool = True, seconds: float = _ASK_SECONDS
    ) -> Finished:
        finished = await run_tool(
            [*self._engine, *arguments],
            stdin=b"",
            seconds=seconds,
            env=passed_on(ENGINE_VARIABLES),
        )
        if check and finished.code != 0:
            said = finished.stderr.decode(errors="replace").strip()
            raise ToolFailedError(f"{self._engine[0]} {arguments[0]} failed: {said[-1000:]}")
        return finished
