"""For smoke checks: talk to the deployed service, the only thing that a check can reach.

.. code-block:: python

    import service

    assert service.get("/health").status == 200
    assert service.call("double", 21) == 42

A check has no network. Requests go over a socket that it inherits to the deployer, which sends them
to the service.
"""

import functools
import json
import os
import socket
from dataclasses import dataclass
from io import BufferedRWPair
from typing import Any

VARIABLE = "SERVICE_CHANNEL"


@dataclass(frozen=True)
class Response:
    """An HTTP response."""

    status: int
    text: str

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.text)


def get(path: str) -> Response:
    """Send ``GET path``."""
    return request("GET", path)


def post(path: str, body: object = None) -> Response:
    """Send ``POST path`` with a JSON body."""
    return request("POST", path, body)


def call(function: str, *arguments: object) -> Any:
    """Call a function of a service with the minimal HTTP face; return its result.

    Raises:
        RuntimeError: The service did not answer with a result.
    """
    response = post(f"/{function}", list(arguments))
    if response.status != 200:  # noqa: PLR2004 - OK
        raise RuntimeError(f"{function}: status {response.status}: {response.text}")
    return response.json()["result"]


def request(method: str, path: str, body: object = None) -> Response:
    """Send a request and return the response.

    Raises:
        RuntimeError: The service does not answer.
    """
    channel = _channel()
    channel.write(json.dumps({"method": method, "path": path, "body": body}).encode() + b"\n")
    channel.flush()
    answer = json.loads(channel.readline())
    if "error" in answer:
        raise RuntimeError(answer["error"])
    return Response(answer["status"], answer["text"])


@functools.cache
def _channel() -> BufferedRWPair:
    """Return the channel to the deployer, which is opened with the first request."""
    return socket.socket(fileno=int(os.environ[VARIABLE])).makefile("rwb")
