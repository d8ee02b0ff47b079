"""Picks free TCP ports on the loopback interface."""

import random
import socket
from collections.abc import Collection, Iterable
from pathlib import Path

from bridge.errors import StackError

HOST = "127.0.0.1"

_LOWEST = 10_000
_ATTEMPTS = 1_000

_promises: dict[int, int] = {}
"""Descriptors that reserve the ports this process has picked, against other stacks that start
at the same time. They stay open until the process ends."""


def is_free(port: int) -> bool:
    """Return whether a server could listen on this loopback port now."""
    with socket.socket() as listener:
        # Like servers: a port with connections in TIME_WAIT counts as free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen(1)
        except OSError:
            return False
    return True


def pick(preferred: Iterable[int | None], avoid: Collection[int] = ()) -> int:
    """Return the first free one of the preferred ports, else a random free port.

    Args:
        preferred: In order of preference; None is skipped.
        avoid: Ports reserved for others.

    Raises:
        StackError: No port is free.
    """
    for port in preferred:
        if port is not None and port not in avoid and _is_ours(port):
            return port
    for _attempt in range(_ATTEMPTS):
        port = random.randrange(_LOWEST, _end())  # noqa: S311 - not a secret
        if port not in avoid and _is_ours(port):
            return port
    raise StackError(
        f"No free port found on {HOST} between {_LOWEST} and {_end()}. Stop the programs that use them."
    )


def _is_ours(port: int) -> bool:
    """Return whether a port is free and not reserved by another stack.

    A port is reserved by the name of an abstract socket. It leaves no file and ends with its process.
    """
    if port in _promises:
        return is_free(port)
    promise = socket.socket(socket.AF_UNIX)
    try:
        promise.bind(f"\0ntbridge-port-{port}")
    except OSError:
        promise.close()
        return False
    if is_free(port):
        _promises[port] = promise.detach()
        return True
    promise.close()
    return False


def _end() -> int:
    """Return the first port of the kernel's range for outgoing connections.

    A server's port must be below it: while the server restarts, the kernel could give its port to any client, and a
    client that reconnects could even be connected to itself.
    """
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    except OSError:
        return 32_768
    return max(int(text.split()[0]), _LOWEST + _ATTEMPTS)
