"""The image's health check asks a page of the daemon or worker, and says what it was told."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from typing_extensions import override

from tests.support.containers import COMPOSE


class Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        ready = self.path == "/livez"
        self.send_response(200 if ready else 503)
        self.end_headers()
        self.wfile.write(b"alive" if ready else b"nats is away")

    @override
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def check(port: int, *page: str, **env: str) -> tuple[int, str]:
    done = subprocess.run(  # noqa: PLW1510 - the code is looked at
        [sys.executable, COMPOSE.parent / "healthcheck.py", *page],
        env={**os.environ, "NTBRIDGE_HTTP__PORT": str(port), **env},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.strip()


def test_it_tells_what_the_page_says(port: int) -> None:
    assert check(port, "/livez") == (0, "alive")
    assert check(port) == (1, "nats is away")
    assert check(1, "/livez", str(port)) == (0, "alive")


def test_nobody_there_is_not_healthy() -> None:
    code, said = check(1)
    assert code == 1
    assert "refused" in said


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
def test_no_proxy_is_asked_about_this_machine(port: int, variable: str) -> None:
    nowhere = {variable: "http://127.0.0.1:1", "no_proxy": "", "NO_PROXY": ""}
    assert check(port, "/livez", **nowhere) == (0, "alive")
