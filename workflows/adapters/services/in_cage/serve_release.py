"""Serves a release over HTTP on a listening socket that it inherits, or on a port of its own.

A module of the release that has ``app``, an ASGI application, is served as it is (by uvicorn); the
application answers ``GET /health`` with 2xx while it is well. Otherwise the public functions of the
modules get a minimal HTTP face: ``POST /NAME`` with a JSON array of positional arguments or a JSON
object of named ones, ``GET /`` for the list, ``GET /health``.
"""

import importlib
import inspect
import json
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import BaseServer, ThreadingMixIn
from types import ModuleType
from typing import Any, ClassVar

_MAX_BODY = 2**20
_MAX_SKIPPED = 2**24
_LONGEST_WAIT = 2.0  # seconds for a client that neither sends nor closes
_NOT_SERVED = ("test_", "smoke_check", "conftest")


class Face(BaseHTTPRequestHandler):
    """Answers requests by calling functions of the release."""

    functions: ClassVar[dict[str, Callable[..., Any]]] = {}
    protocol_version = "HTTP/1.1"
    timeout = 60

    def do_GET(self) -> None:
        """List the functions, or answer the health check."""
        if self.path == "/health":
            self._answer(200, {"status": "ok"})
        elif self.path == "/":
            listed = {name: _signature(each) for name, each in self.functions.items()}
            self._answer(200, {"functions": listed})
        else:
            self._answer(
                404, {"error": f"nothing is at {self.path}; GET / lists the functions"}
            )

    def do_POST(self) -> None:
        """Call a function with the arguments in the body."""
        given = self.headers.get("Content-Length") or "0"
        length = int(given) if given.isdecimal() else 0
        chunked = "Transfer-Encoding" in self.headers
        if length > _MAX_BODY or chunked or not given.isdecimal():
            self.close_connection = True
            self._skip(min(length, _MAX_SKIPPED))
            self._answer(413, {"error": f"a Content-Length of at most {_MAX_BODY} is needed"})
            return
        body = self.rfile.read(length)
        function = self.functions.get(self.path.removeprefix("/"))
        if function is None:
            self._answer(404, {"error": f"no function {self.path}; GET / lists them"})
            return
        try:
            sent = json.loads(body or b"[]")
            named = sent if isinstance(sent, dict) else {}
            bound = inspect.signature(function).bind(
                *([] if isinstance(sent, dict) else sent), **named
            )
        except (ValueError, TypeError) as error:
            self._answer(
                400, {"error": f"the body is no JSON array or object of arguments: {error}"}
            )
            return
        try:
            self._answer(200, {"result": function(*bound.args, **bound.kwargs)})
        except Exception as error:  # noqa: BLE001 - the code of the release may raise anything
            self._answer(500, {"error": f"{type(error).__name__}: {error}"})

    def _skip(self, length: int) -> None:
        """Read what the client sends: it would not read the answer before."""
        while length > 0 and (chunk := self.rfile.read(min(length, 2**16))):
            length -= len(chunk)

    def _answer(self, status: int, content: object) -> None:
        body = json.dumps(content, default=repr).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(  # type: ignore[explicit-override]  # the standard library has no override yet
        self,
        format: str,  # noqa: A002 - the base's name
        *args: object,
    ) -> None:
        """Print nothing: the supervisor counts requests."""


class FaceServer(ThreadingMixIn, BaseServer):
    """Accepts connections on a socket that exists: a cage lets no program make one."""

    daemon_threads = True

    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.getsockname(), Face)
        self.socket = listener
        self.server_name, self.server_port = listener.getsockname()[:2]

    def fileno(self) -> int:
        """Return the descriptor that tells when a connection waits."""
        return self.socket.fileno()

    def get_request(  # type: ignore[explicit-override]
        self,
    ) -> tuple[socket.socket, Any]:
        """Accept a connection."""
        return self.socket.accept()

    def shutdown_request(  # type: ignore[explicit-override]
        self, request: Any
    ) -> None:
        """Close a connection, after reading what the client still sends.

        Bytes that arrive at a closed connection reset it, and the client then loses the answer.
        """
        left = _MAX_SKIPPED
        with suppress(OSError):
            request.shutdown(socket.SHUT_WR)
            request.settimeout(_LONGEST_WAIT)
            while left > 0 and (chunk := request.recv(2**16)):
                left -= len(chunk)
        request.close()


def main(arguments: Sequence[str]) -> None:
    """Import the release in a folder, and serve it on a descriptor (``3``) or a port (``:80``)."""
    where = arguments[0]
    if where.startswith(":"):
        listener = socket.create_server(("", int(where[1:])), backlog=256)
    else:
        listener = socket.socket(fileno=int(where))
    sys.path.insert(0, arguments[1])
    modules = [importlib.import_module(name) for name in _modules(Path(arguments[1]))]
    app = next(
        (module.app for module in modules if callable(getattr(module, "app", None))), None
    )
    sys.stdout.write(f"serves {'app' if app is not None else 'functions'}\n")
    sys.stdout.flush()
    if app is not None:
        _serve_app(app, listener)
        return
    Face.functions = {
        name: each for module in modules for name, each in _functions(module).items()
    }
    FaceServer(listener).serve_forever()


def _serve_app(app: Any, listener: socket.socket) -> None:
    import uvicorn  # noqa: PLC0415 - only for these releases

    config = uvicorn.Config(app, log_level="warning", access_log=False, loop="asyncio")
    uvicorn.Server(config).run(sockets=[listener])


def _modules(folder: Path) -> list[str]:
    return sorted(
        path.stem for path in folder.glob("*.py") if not path.stem.startswith(_NOT_SERVED)
    )


def _functions(module: ModuleType) -> dict[str, Callable[..., Any]]:
    return {
        name: each
        for name, each in vars(module).items()
        if not name.startswith("_")
        and inspect.isfunction(each)
        and each.__module__ == module.__name__
    }


def _signature(function: Callable[..., Any]) -> str:
    return f"{function.__name__}{inspect.signature(function)}"


if __name__ == "__main__":
    main(sys.argv[1:])
