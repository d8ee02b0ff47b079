"""Servers of a test's own that may be killed, frozen and limited; a daemon that is watched meanwhile."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil

from bridge.devstack import ports
from bridge.devstack.child import Child
from bridge.devstack.nats_server import NatsServer
from bridge.devstack.state import StateFolder
from bridge.devstack.temporal_server import TemporalServer
from tests.support.daemon import Bridge
from tests.support.load_of_signals import Signals

LINES_A_SECOND = 15
"""Most lines that a daemon may log while a server is away, and as many attempts."""
GROWTH = 100 * 2**20
"""Bytes that a daemon may take more while a server is away."""


@dataclass
class Watched:
    """A daemon, and what it did since a moment."""

    load: Signals
    daemon: Child
    lines: int = 0
    attempts: int = 0
    memory: int = 0
    since: float = 0.0

    async def begin(self) -> None:
        """Count from now on."""
        self.lines = self._lines()
        self.attempts = await self.load.attempts()
        self.memory = psutil.Process(self.daemon.pid).memory_info().rss
        self.since = time.monotonic()

    async def assert_idle(self, *, attempts: bool = True) -> None:
        """Assert that it did nothing in vain, or not often."""
        most = LINES_A_SECOND * (time.monotonic() - self.since + 2)
        assert self._lines() - self.lines <= most
        if attempts:
            assert await self.load.attempts() - self.attempts <= most
        grown = psutil.Process(self.daemon.pid).memory_info().rss - self.memory
        assert grown < GROWTH

    def _lines(self) -> int:
        return len(self.daemon.command.log.read_bytes().splitlines())


@asynccontextmanager
async def own_temporal(folder: Path, *settings: str) -> AsyncIterator[TemporalServer]:
    """A Temporal of the test's own."""
    with StateFolder(folder) as state:
        given: list[int] = []
        for _ in range(3):
            given.append(ports.pick([], given))
        server = TemporalServer(state, port=given[0], ui_port=given[1], http_port=given[2])
        flags = [f"--dynamic-config-value={setting}" for setting in settings]
        server.command = replace(server.command, argv=[*server.command.argv, *flags])
        await server.start()
        try:
            yield server
        finally:
            await server.kill()


@asynccontextmanager
async def own_nats(folder: Path) -> AsyncIterator[NatsServer]:
    """A NATS of the test's own."""
    with StateFolder(folder) as state:
        server = NatsServer(state, ports.pick([]))
        await server.start()
        try:
            yield server
        finally:
            await server.kill()


def at(bridge: Bridge, **addresses: Any) -> Bridge:
    """The same bridge on other servers."""
    return replace(bridge, addresses=replace(bridge.addresses, **addresses))
