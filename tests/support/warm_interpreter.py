"""A Python interpreter that has imported the whole project and waits: each program that it is asked for is a fork.

Run by `tests.support.warm_start`, with the number of a socket as its argument. A start of the daemon costs two
seconds of processor time, nearly all of it imports, and the tests start it more than a hundred times.

The fork becomes a child of the process that asked: the process between the two ends at once, and the asking process is
the subreaper at that moment (`prctl(2)`, ``PR_SET_CHILD_SUBREAPER``). So it is signalled, awaited and killed like any child.
"""

import array
import ctypes
import fcntl
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
import time
from dataclasses import dataclass
from typing import Any, Final

from bridge.lifecycle import crash_points

PACKAGES: Final = ("eventstore", "bridge", "workflows")

_LONGEST_ORDER: Final = 1 << 20  # bytes
_MOST_DESCRIPTORS: Final = 64
_ABOVE: Final = 200  # descriptors from here on are in nobody's way
_PR_SET_PDEATHSIG: Final = 1


@dataclass(frozen=True)
class Order:
    """What to run, as `tests.support.warm_start` sends it.

    Attributes:
        argv: The module and its arguments.
        env: Its whole environment.
        cwd: Its folder.
        parent: The process that asks.
        session: Whether it leads a session of its own.
        death_signal: What the kernel sends it when its parent dies; 0 for nothing.
        descriptors: The numbers under which it finds the descriptors that are sent along.
    """

    argv: list[str]
    env: dict[str, str]
    cwd: str
    parent: int
    session: bool
    death_signal: int
    descriptors: list[int]


def imported() -> None:
    """Import every module of the project."""
    for name in PACKAGES:
        package = importlib.import_module(name)
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
    gc.collect()
    gc.freeze()  # so that no collection in a fork copies what all share


def serve(orders: socket.socket) -> tuple[Order, list[int]]:
    """Fork for each order, and answer with the process id; return in the fork alone."""
    while True:
        data, descriptors = _receive(orders)
        if not data:
            os._exit(0)
        order = Order(**json.loads(data))
        reading, writing = os.pipe()
        adopted, go = os.pipe()
        between = os.fork()
        if between == 0:
            pid = os.fork()
            if pid == 0:
                os.close(go)
                os.read(adopted, 1)  # ends when `go` is closed everywhere
                return order, descriptors
            os.write(writing, str(pid).encode())
            os._exit(0)
        os.waitpid(between, 0)
        orders.send(os.read(reading, 32))
        for descriptor in (reading, writing, adopted, go, *descriptors):
            os.close(descriptor)


def become(order: Order, descriptors: list[int]) -> None:
    """Take on the descriptors, folder, environment and parent of the order."""
    if os.getppid() != order.parent:
        os._exit(126)
    if order.session:
        os.setsid()
    moved = [fcntl.fcntl(number, fcntl.F_DUPFD, _ABOVE) for number in descriptors]
    os.closerange(3, _ABOVE)
    for number, target in zip(moved, order.descriptors, strict=True):
        os.dup2(number, target)
    os.closerange(max(moved[0], _ABOVE), max(moved) + 1)
    os.chdir(order.cwd)
    os.environ.clear()
    os.environ.update(order.env)
    time.tzset()
    sys.stdin = sys.__stdin__ = _text(0, "r")  # type: ignore[misc]
    sys.stdout = sys.__stdout__ = _text(1, "w")  # type: ignore[misc]
    sys.stderr = sys.__stderr__ = _text(2, "w", errors="backslashreplace", line=True)  # type: ignore[misc]
    sys.argv = [order.argv[0], *order.argv[1:]]
    sys.path[0] = order.cwd
    importlib.reload(crash_points)  # it reads the environment when it is imported
    if order.death_signal:
        libc = ctypes.CDLL(None)
        libc.prctl(_PR_SET_PDEATHSIG, order.death_signal, 0, 0, 0)
        if os.getppid() != order.parent:
            os._exit(126)


def _text(number: int, mode: str, *, errors: str = "strict", line: bool = False) -> Any:
    binary = io.open(number, f"{mode}b", closefd=False)  # noqa: SIM115, UP020 - as the interpreter does
    return io.TextIOWrapper(binary, encoding="utf-8", errors=errors, line_buffering=line)


def _receive(orders: socket.socket) -> tuple[bytes, list[int]]:
    data, descriptors, _, _ = socket.recv_fds(orders, _LONGEST_ORDER, _MOST_DESCRIPTORS)
    return data, list(array.array("i", descriptors))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)
    with socket.socket(fileno=int(sys.argv[1])) as asked:
        imported()
        asked.send(b"ready")
        given, numbers = serve(asked)
        asked.detach()
    become(given, numbers)
    runpy.run_module(given.argv[0], run_name="__main__", alter_sys=True)
