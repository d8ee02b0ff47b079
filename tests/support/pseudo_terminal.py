"""A command in a pseudo-terminal, by default of 80 columns, as a person sees it."""

import asyncio
import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROWS, COLUMNS = 24, 80
_WITHIN = 120.0


@dataclass(frozen=True)
class Seen:
    """How a command ended, and all that came to its terminal, both streams in one."""

    code: int
    screen: str


async def in_terminal(
    command: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    *,
    answer: str = "",
    until: str | None = None,
    columns: int = COLUMNS,
) -> Seen:
    """Run a command.

    Args:
        command: What to run.
        cwd: Where.
        env: Its environment.
        answer: What is typed when it asks (``[y/N]``).
        until: Ctrl-C is pressed when this was seen.
        columns: The terminal's width.
    """
    return await asyncio.to_thread(_run, command, cwd, env, answer, until, columns)


def _run(
    command: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    answer: str,
    until: str | None,
    columns: int,
) -> Seen:
    ours, theirs = pty.openpty()
    # pytest-xdist exports the size of its own terminal.
    env = {name: value for name, value in env.items() if name not in {"COLUMNS", "LINES"}}
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, columns, 0, 0))
    with subprocess.Popen(
        command, cwd=cwd, env=env, stdin=theirs, stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        try:
            seen = _read(
                ours, process, answer.encode(), None if until is None else until.encode()
            )
            return Seen(process.wait(_WITHIN), seen.decode())
        finally:
            process.kill()
            os.close(ours)


def _read(
    terminal: int, process: "subprocess.Popen[bytes]", answer: bytes, until: bytes | None
) -> bytes:
    seen = b""
    while True:
        try:
            part = os.read(terminal, 65_536)
        except OSError:  # so Linux says that the other side was closed
            return seen
        if not part:
            return seen
        seen += part
        if answer and b"[y/N]" in seen:
            os.write(terminal, answer + b"\n")
            answer = b""
        if until is not None and until in seen:
            process.send_signal(signal.SIGINT)
            until = None
