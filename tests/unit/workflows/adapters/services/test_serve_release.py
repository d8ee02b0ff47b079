"""A release that is served as functions: what its clients get."""

import select
import socket
import threading
from collections.abc import Iterator

import pytest

from workflows.adapters.services.in_cage.serve_release import FaceServer


@pytest.fixture
def client() -> Iterator[socket.socket]:
    """A connection to a release without functions."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = FaceServer(listener)
        serving = threading.Thread(target=server.serve_forever, args=(0.05,))
        serving.start()
        try:
            with socket.create_connection(listener.getsockname(), timeout=30) as connection:
                yield connection
        finally:
            server.shutdown()
            serving.join()


def test_who_sends_on_after_a_refusal_gets_the_answer(client: socket.socket) -> None:
    client.sendall(b"POST /total HTTP/1.1\r\nHost: shop\r\nTransfer-Encoding: chunked\r\n\r\n")
    readable, _, _ = select.select([client], [], [], 30)
    assert readable  # it has refused, and closes
    for _ in range(20):
        client.sendall(b"2710\r\n" + b" " * 10_000 + b"\r\n")
    client.sendall(b"0\r\n\r\n")
    answer = b""
    while chunk := client.recv(2**16):
        answer += chunk
    assert answer.startswith(b"HTTP/1.1 413 ")
