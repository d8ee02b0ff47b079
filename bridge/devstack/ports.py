"""Picking TCP ports on the loopback interface."""

import random
import socket
from collections.abc import Collection, Iterable
from pathlib import Path

from bridge.errors import StackError

HOST = "127.0.0.1"

_LOWEST = 10_000
_ATTEMPTS = 1_000

_promises: dict[int, int] = {}
"""The descriptors that hold the ports this process has picked against other stacks that start
just now. They are meant to be open until its end."""


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket() as listener:
        # As servers do: a port whose last connections are still in TIME_WAIT is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, port))
            listener.listen(1)
        except OSError:
            return False
    return True


def pick(preferred: Iterable[int | None], avoid: Collection[int] = ()) -> int:
    """The first free one of the preferred ports, else a free one by chance.

    Args:
        preferred: in order of preference; None is skipped.
        avoid: ports that are promised to others.

    Raises:
        StackError: no port is free.
    """
    for port in preferred:
        if port is not None and port not in avoid and _is_ours(port):
            return port
    for _attempt in range(_ATTEMPTS):
        port = random.randrange(_LOWEST, _end())  # noqa: S311 - not a secret
        if port not in avoid and _is_ours(port):
            return port
    raise StackError(
        f"No free port found on {HOST} between {_LOWEST} and {_end()}. Stop what occupies them."
    )


def _is_ours(port: int) -> bool:
    """Whether a port is free, and no other stack has picked it and not bound it yet.

    A picked port is promised by the name of an abstract socket, which leaves nothing on disk and
    goes with the process that made it, however that ends.
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
    """Where the range begins from which the kernel takes the ports of outgoing connections.

    A server's port must lie below it: while a server is down for a restart, a client of anybody's could be given
    its port, or a client that tries to reconnect could even be connected to itself.
    """
    try:
        text = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    except OSError:
        return 32_768
    return max(int(text.split()[0]), _LOWEST + _ATTEMPTS)
