"""The standard streams of a process, made safe before anything else is opened or printed.

A process may be started with a descriptor closed (``ntbridge ls <&-``): the next file or socket
that it opens would take the number, and libuv aborts when such a descriptor is closed. So the
closed ones are opened first. What is printed may not be encodable, and the reader may be gone or
the disk full: the first never raises, the second raises one error of our own from standard output
and is ignored on standard error, because there is nobody left to tell and the work goes on.
"""

import contextlib
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

from typing_extensions import override

from bridge.runtime.errors import OutputError

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_STDIN, _STDOUT, _STDERR = range(3)
# Standard output that was closed is opened for reading, so that writing fails and is noticed.
_MODES = {_STDIN: os.O_RDONLY, _STDOUT: os.O_RDONLY, _STDERR: os.O_WRONLY}


def secure() -> None:
    """Open what is closed, and replace ``sys.stdin``, ``sys.stdout`` and ``sys.stderr``."""
    for descriptor, mode in _MODES.items():
        _open_if_closed(descriptor, mode)
    sys.stdin = open(_STDIN, encoding=_encoding(sys.stdin), errors="replace", closefd=False)  # noqa: SIM115
    sys.stdout = _writer(_Output(_STDOUT, "w", closefd=False), sys.stdout)
    sys.stderr = _writer(_Messages(_STDERR, "w", closefd=False), sys.stderr)


def flush() -> None:
    """Write what is held back.

    Raises:
        OutputError: Standard output cannot be written.
    """
    sys.stderr.flush()
    sys.stdout.flush()


class _Output(io.FileIO):
    """Standard output: what cannot be written ends the command."""

    @override
    def write(self, b: "ReadableBuffer", /) -> int:
        try:
            return super().write(b) or 0
        except OSError as error:
            raise OutputError(
                f"cannot write to standard output: {error.strerror}",
                reader_gone=isinstance(error, BrokenPipeError),
            ) from error


class _Messages(io.FileIO):
    """Standard error: a message that nobody can get is dropped."""

    @override
    def write(self, b: "ReadableBuffer", /) -> int:
        with contextlib.suppress(OSError):
            return super().write(b) or 0
        return memoryview(b).nbytes


def _writer(raw: io.FileIO, before: TextIO | None) -> TextIO:
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=_encoding(before),
        errors="backslashreplace",
        line_buffering=raw.fileno() == _STDERR or raw.isatty(),
    )


def _encoding(stream: TextIO | None) -> str:
    return "utf-8" if stream is None else stream.encoding


def _open_if_closed(descriptor: int, mode: int) -> None:
    try:
        os.fstat(descriptor)
    except OSError:
        opened = os.open(os.devnull, mode)
        os.dup2(opened, descriptor)  # inheritable, and the same number most of the time
        if opened == descriptor:
            os.set_inheritable(descriptor, True)  # noqa: FBT003 - its only parameter
        else:
            os.close(opened)
