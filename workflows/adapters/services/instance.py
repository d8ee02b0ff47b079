"""One running instance of a release."""

import asyncio
import socket
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Final

import httpx

from workflows.adapters.services.launchers import Launcher
from workflows.errors import PipelineError

_KEPT: Final = 4_000
"""Bytes of an instance's output that are kept, from its end."""
_ASK_EVERY: Final = 0.1
_ANSWER_SECONDS: Final = 5.0
_BACKLOG: Final = 256


class Instance:
    """A release that is served on a port of its own on the loopback interface.

    Args:
        release: Its name.
        files: Its files, by path.
        launcher: Runs it.
    """

    def __init__(self, release: str, files: Mapping[str, str], launcher: Launcher) -> None:
        self.release = release
        self.files = files
        self._launcher = launcher
        self._open = AsyncExitStack()
        self._output = bytearray()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=_BACKLOG)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.ended = asyncio.Event()
        self._requests = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def serves(self) -> str:
        """``app``, ``functions``, or nothing if it has not said so yet."""
        first, _, _ = bytes(self._output).partition(b"\n")
        word, _, what = first.decode(errors="replace").partition(" ")
        return what if word == "serves" else ""

    @property
    def output(self) -> str:
        """The end of what it printed."""
        return bytes(self._output[-_KEPT:]).decode(errors="replace").strip()

    def request_begins(self) -> None:
        """Count a request in progress."""
        self._requests += 1
        self._idle.clear()

    def request_ends(self) -> None:
        """Count its end."""
        self._requests -= 1
        if not self._requests:
            self._idle.set()

    async def answered(self) -> None:
        """Wait until no request is in progress."""
        await self._idle.wait()

    async def start(self, client: httpx.AsyncClient, within: float) -> str:
        """Run it and wait until it is healthy; return why it is not, or an empty text."""
        try:
            process = await self._open.enter_async_context(
                self._launcher.launched(self.files, self._listener)
            )
        except PipelineError as error:
            self.ended.set()
            return str(error)
        self._listener.close()  # the instance has it
        following = asyncio.create_task(self._follow(process))
        self._open.callback(following.cancel)
        finding = "GET /health was not answered"
        try:
            async with asyncio.timeout(within):
                while not self.ended.is_set():
                    finding = await self.unhealthy(client)
                    if not finding:
                        return ""
                    await asyncio.sleep(_ASK_EVERY)
        except TimeoutError:
            return f"{finding} within {within:g} s; it printed: {self.output or 'nothing'}"
        return f"it ended with code {process.returncode}: {self.output or 'it printed nothing'}"

    async def unhealthy(self, client: httpx.AsyncClient) -> str:
        """Ask for its health once; return what is wrong, or an empty text."""
        if self.ended.is_set():
            return "its process has ended"
        try:
            response = await client.get(f"{self.address}/health", timeout=_ANSWER_SECONDS)
        except httpx.HTTPError as error:
            return f"GET /health failed: {type(error).__name__}"
        return "" if response.is_success else f"GET /health answered {response.status_code}"

    async def stop(self) -> None:
        """End it with all its processes."""
        self._listener.close()
        await self._open.aclose()
        self.ended.set()

    async def _follow(self, process: asyncio.subprocess.Process) -> None:
        """Keep the end of its output, and notice its end."""

        async def read(stream: asyncio.StreamReader | None) -> None:
            while stream is not None and (chunk := await stream.read(2**12)):
                if len(self._output) < 2 * _KEPT:
                    self._output += chunk
                else:
                    first, _, rest = bytes(self._output).partition(b"\n")
                    self._output = bytearray(first + b"\n" + rest[-_KEPT:] + chunk[-_KEPT:])

        await asyncio.gather(read(process.stdout), read(process.stderr), process.wait())
        self.ended.set()
