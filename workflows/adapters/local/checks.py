"""Runs a release's smoke check: the file it names, or an import of each of its modules.

A check of a running service talks to it by the module ``service``
(`workflows.adapters.services.in_cage.service`), over a socket that it inherits.
"""

import asyncio
import json
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import httpx

from workflows.adapters.containment import Containment
from workflows.adapters.local.files import write_files
from workflows.adapters.processes import Finished, watch_tool
from workflows.adapters.services.local_http import local_client

_CLIENT = Path(__file__).parents[1] / "services" / "in_cage" / "service.py"
_BEGIN = """
import os, sys
channel, release, folder, *rest = sys.argv[1:]
os.environ["SERVICE_CHANNEL"] = channel
os.chdir(folder)
sys.path[:0] = [release, os.path.join(os.path.dirname(release), "client")]
"""
_RUN = """
import runpy
runpy.run_path(os.path.join(release, *rest), run_name="__main__")
"""
_IMPORT = """
import importlib
for name in rest:
    importlib.import_module(name)
    print("imported", name)
"""
_LIMITS = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
resource.setrlimit(resource.RLIMIT_AS, ({memory}, {memory}))
resource.setrlimit(resource.RLIMIT_FSIZE, ({file}, {file}))
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
"""
_MB = 2**20
_MAX_OUTPUT = 4 * _MB
_MAX_REQUEST = 4 * _MB
_ANSWER_SECONDS = 30.0


class Checks(Protocol):
    """Runs smoke checks."""

    async def run(
        self, files: Mapping[str, str], smoke_check: str | None, address: str | None
    ) -> Finished:
        """Run the check of a release, which may be served at an address; return its result.

        Raises:
            UncontainedError: Containment is required and impossible here.
        """


class ContainedChecks:
    """``Checks`` for untrusted code: in a cage without a network.

    Args:
        containment: Creates the cages.
    """

    def __init__(self, containment: Containment) -> None:
        self._containment = containment

    async def run(
        self, files: Mapping[str, str], smoke_check: str | None, address: str | None
    ) -> Finished:
        """Run the check in a cage."""
        program, arguments = _program(files, smoke_check)
        async with _channel(address) as number:
            command = [
                *_python(program),
                *(str(number), "{work}/release", "{work}/home", *arguments),
            ]
            caged = await self._containment.run(
                command, files=_contents(files), descriptors=[number]
            )
        return caged.finished


class PlainChecks:
    """``Checks`` for your own services, which may use the network like the worker.

    Args:
        seconds: Limit of the duration and of the processor time of a check.
        memory_mb: Limit of its memory.
    """

    def __init__(self, *, seconds: int = 60, memory_mb: int = 1024) -> None:
        self._seconds = seconds
        self._limits = _LIMITS.format(seconds=seconds, memory=memory_mb * _MB, file=64 * _MB)

    async def run(
        self, files: Mapping[str, str], smoke_check: str | None, address: str | None
    ) -> Finished:
        """Run the check in its own process, in a temporary folder."""
        program, arguments = _program(files, smoke_check, limits=self._limits)
        with TemporaryDirectory(prefix="smoke-check-") as folder:
            write_files(Path(folder), _contents(files))
            async with _channel(address) as number:
                return await watch_tool(
                    [*_python(program), str(number), f"{folder}/release", folder, *arguments],
                    stdin=b"",
                    seconds=self._seconds,
                    most_output=_MAX_OUTPUT,
                    descriptors=[number],
                )


@asynccontextmanager
async def _channel(address: str | None) -> AsyncIterator[int]:
    """Yield a descriptor for the check; requests over it are sent to the service."""
    ours, theirs = socket.socketpair()
    reader, writer = await asyncio.open_connection(sock=ours, limit=_MAX_REQUEST)
    forwarding = asyncio.create_task(_forward(reader, writer, address))
    try:
        yield theirs.fileno()
    finally:
        forwarding.cancel()
        await asyncio.gather(forwarding, return_exceptions=True)
        writer.close()
        theirs.close()


async def _forward(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str | None
) -> None:
    async with local_client(_ANSWER_SECONDS) as client:
        while line := await reader.readline():
            answer = json.dumps(await _answer(client, address, line)).encode()
            writer.write(answer + b"\n")
            await writer.drain()


async def _answer(client: httpx.AsyncClient, address: str | None, line: bytes) -> object:
    if address is None:
        return {"error": "this deployer does not start services: there is nothing to ask"}
    try:
        wanted: dict[str, Any] = json.loads(line)
        path = str(wanted["path"])
        if not path.startswith("/"):
            return {"error": f"{path!r} is no path: it must begin with /"}
        response = await client.request(
            str(wanted["method"]), address + path, json=wanted.get("body")
        )
    except (ValueError, KeyError, TypeError) as error:
        return {"error": f"the request is not valid: {error}"}
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return {"error": f"the service does not answer: {type(error).__name__}: {error}"}
    return {"status": response.status_code, "text": response.text}


def _program(
    files: Mapping[str, str], smoke_check: str | None, *, limits: str = ""
) -> tuple[str, list[str]]:
    """Return the program of a check, and its arguments after the channel and the two folders."""
    if smoke_check is None:
        modules = sorted(
            path[:-3] for path in files if path.endswith(".py") and "/" not in path
        )
        return _BEGIN + limits + _IMPORT, modules
    return _BEGIN + limits + _RUN, [smoke_check]


def _contents(files: Mapping[str, str]) -> dict[str, str]:
    release = {f"release/{path}": text for path, text in files.items()}
    return {**release, "client/service.py": _CLIENT.read_text(encoding="utf-8")}


def _python(program: str) -> list[str]:
    # -I: the worker's environment has no effect; -B: no bytecode is written.
    return [sys.executable, "-I", "-B", "-c", program]
