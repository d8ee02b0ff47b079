"""The standard streams of a process, made safe before anything else is opened or printed.

A process may start with a closed descriptor (``ntbridge ls <&-``). The next file or socket would
get its number, and libuv aborts when such a descriptor is closed. So closed ones are opened first.

Text that cannot be encoded is escaped and never raises. When the reader has closed the pipe or the
disk is full, standard output raises `OutputError`; standard error ignores it, so that the work
continues.
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
# A closed standard output is opened for reading, so that writing fails and is reported.
_MODES = {_STDIN: os.O_RDONLY, _STDOUT: os.O_RDONLY, _STDERR: os.O_WRONLY}


def secure() -> None:
    """Open closed descriptors, and replace ``sys.stdin``, ``sys.stdout`` and ``sys.stderr``."""
    for descriptor, mode in _MODES.items():
        _open_if_closed(descriptor, mode)
    sys.stdin = open(_STDIN, encoding=_encoding(sys.stdin), errors="replace", closefd=False)  # noqa: SIM115
    sys.stdout = _writer(_Output(_STDOUT, "w", closefd=False), sys.stdout)
    sys.stderr = _writer(_Messages(_STDERR, "w", closefd=False), sys.stderr)


def flush() -> None:
    """Write what is buffered.

    Raises:
        OutputError: Standard output cannot be written.
    """
    sys.stderr.flush()
    sys.stdout.flush()


class _Output(io.FileIO):
    """Standard output: a failed write ends the command."""

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
    """Standard error: a failed write is ignored."""

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
        os.dup2(opened, descriptor)  # inheritable; usually the same number
        if opened == descriptor:
            os.set_inheritable(descriptor, True)  # noqa: FBT003 - its only parameter
        else:
            os.close(opened)
