"""``ntbridge-worker`` as a process of its own."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.waiting import line

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "workflows.worker"]
READY = '"event": "worker ready"'


class WorkerProcess:
    """A running ``ntbridge-worker``, with its log in a file."""

    def __init__(self, process: asyncio.subprocess.Process, log: Path) -> None:
        self.process = process
        self.log = log

    async def ready(self) -> None:
        await line(self.log, READY, within=30)

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, bytes]:
        """Send a signal; return the exit code and all of standard output."""
        self.process.send_signal(number)
        stdout, _ = await self.process.communicate()
        return self.process.returncode or 0, stdout


@asynccontextmanager
async def worker_process(
    log: Path, env: Mapping[str, str] | None = None, /, **flags: str
) -> AsyncIterator[WorkerProcess]:
    arguments = [
        part for name, value in flags.items() for part in (f"--{name.replace('_', '-')}", value)
    ]
    with log.open("ab") as sink:
        process = await asyncio.create_subprocess_exec(
            *COMMAND,
            *arguments,
            cwd=ROOT,
            env={**os.environ, **(env or {})},
            stdout=asyncio.subprocess.PIPE,
            stderr=sink,
        )
    try:
        yield WorkerProcess(process, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()
