"""How an instance of a release is run: in a cage, as a plain process, or in a container."""

import os
import shutil
import sys
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from socket import socket
from typing import Protocol

from workflows.adapters.containment import Containment
from workflows.adapters.local.files import write_files
from workflows.adapters.processes import kill_tool, start_tool

PROGRAM = Path(__file__).parent / "in_cage" / "serve_release.py"
"""Serves a release; it runs beside it."""
_NAME = "serve_release.py"
_RELEASE = "release"


class Launcher(Protocol):
    """Runs instances."""

    def launched(
        self, files: Mapping[str, str], listener: socket
    ) -> AbstractAsyncContextManager[Process]:
        """Run an instance that serves the files of a release on a listening socket.

        Leaving the block ends it with all its processes.

        Raises:
            UncontainedError: Containment is required and impossible here.
            ToolMissingError: A program is not installed.
            ToolFailedError: A program failed.
        """

    async def clean(self) -> None:
        """Remove what a killed supervisor has left of its instances."""


class CagedLauncher:
    """A ``Launcher`` for untrusted code: it can accept connections, and open none.

    Args:
        containment: Creates the cages.
    """

    def __init__(self, containment: Containment) -> None:
        self._containment = containment

    async def clean(self) -> None:
        """Do nothing: the processes of a cage end with the supervisor."""

    def launched(
        self, files: Mapping[str, str], listener: socket
    ) -> AbstractAsyncContextManager[Process]:
        """Run an instance in a cage."""
        contents = {f"{_RELEASE}/{path}": text for path, text in files.items()}
        contents[_NAME] = PROGRAM.read_text(encoding="utf-8")
        command = [
            *(sys.executable, "-I", "-B", f"{{work}}/{_NAME}"),
            *("{listener}", f"{{work}}/{_RELEASE}"),
        ]
        return self._containment.serving(command, files=contents, listener=listener)


class PlainLauncher:
    """A ``Launcher`` for your own services, which may use the network and files like the worker."""

    async def clean(self) -> None:
        """Do nothing: there is no record of the processes."""

    @asynccontextmanager
    async def launched(
        self, files: Mapping[str, str], listener: socket
    ) -> AsyncIterator[Process]:
        """Run an instance as a process of its own, in a temporary folder."""
        folder = Path(tempfile.mkdtemp(prefix="ntbridge-service-"))
        try:
            write_files(folder, files)
            number = os.dup(listener.fileno())
            try:
                command = [sys.executable, "-I", "-B", str(PROGRAM), str(number), str(folder)]
                process = await start_tool(command, descriptors=[number])
            finally:
                os.close(number)
            try:
                yield process
            finally:
                await kill_tool(process)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
