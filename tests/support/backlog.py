"""A backlog of events, taken by a real daemon: what benchmarks of intake and dispatch run."""

import asyncio
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import asyncpg
import nats
import psutil
import yaml

from bridge.daemon.setup import prepare
from bridge.devstack.addresses import Addresses
from bridge.devstack.child import Child, Command
from bridge.devstack.environment import scrubbed
from bridge.settings.schema import Settings
from bridge.settings.sources import Source, load
from tests.support.servers import ROOT
from tests.support.waiting import eventually

EVENT_TYPE = "io.example.load.happened.v1"
TOPIC = "events.load.happened"
BODY = b'{"n": 1}'


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where one measurement runs: a database and a prefix of its own on shared servers."""

    addresses: Addresses
    database_url: str
    temporal_address: str
    prefix: str = field(default_factory=lambda: f"b{uuid4().hex[:8]}")
    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="bench-")))

    @property
    def settings(self) -> Settings:
        """What the daemon is told."""
        return load([Source("the benchmark", self._values)]).settings

    @property
    def _values(self) -> Mapping[str, str]:
        return {
            "nats.url": self.addresses.nats_url,
            "nats.prefix": self.prefix,
            "temporal.address": self.temporal_address,
            "database.url": self.database_url,
            "routes": str(self.folder / "routes.yaml"),
        }

    async def set_up(self, routes: list[dict[str, object]]) -> None:
        """Write the routes and make what is missing on the real servers."""
        (self.folder / "routes.yaml").write_text(yaml.safe_dump({"routes": routes}))
        real = load(
            [
                Source(
                    "the benchmark",
                    {**self._values, "temporal.address": self.addresses.temporal_address},
                )
            ]
        ).settings
        await prepare(real)

    async def publish(self, events: list[bytes]) -> None:
        """Publish events in order and wait until the stream has them all."""
        client = await nats.connect(self.addresses.nats_url)
        try:
            js = client.jetstream()
            headers = {"Content-Type": "application/cloudevents+json"}
            for start in range(0, len(events), 1000):
                acks = [
                    await js.publish_async(f"{self.prefix}.{TOPIC}", event, headers=headers)
                    for event in events[start : start + 1000]
                ]
                await asyncio.gather(*acks)
        finally:
            await client.close()

    @asynccontextmanager
    async def daemon(self, **env: str) -> AsyncIterator[psutil.Process]:
        """Run the daemon; its log stays in the folder."""
        environment = {
            **scrubbed(),
            "PYTHONPATH": str(ROOT),
            "NATS_URL": self.addresses.nats_url,
            "TEMPORAL_ADDRESS": self.temporal_address,
            "DATABASE_URL": self.database_url,
            "NTBRIDGE_NATS__PREFIX": self.prefix,
            "NTBRIDGE_ROUTES": str(self.folder / "routes.yaml"),
            "NTBRIDGE_LOG__LEVEL": "warning",
            "NTBRIDGE_HTTP__PORT": "0",
            **env,
        }
        # A benchmark that is killed takes its daemon with it.
        child = Child(
            Command(
                name="daemon",
                argv=[sys.executable, "-m", "bridge", "run"],
                env=environment,
                log=self.folder / "daemon.log",
                stop_within=120,
            )
        )
        await child.start()
        try:
            yield psutil.Process(child.pid)
        finally:
            await child.stop()


async def settled_rate(database_url: str, expected: int, within: float = 600.0) -> float:
    """Wait until so many dispatches are settled; return how many were settled each second."""
    connection = await asyncpg.connect(database_url)
    try:

        async def all_settled() -> bool:
            # Seldom: to count takes processor from what is measured, and the rate is by the rows' own times.
            await asyncio.sleep(0.5)
            count = await connection.fetchval(
                "select count(*) from dispatches where settled_at is not null"
            )
            return bool(count >= expected)

        await eventually(all_settled, within=within, what=f"{expected} dispatches settled")
        span = await connection.fetchval(
            "select extract(epoch from max(settled_at) - min(settled_at)) from dispatches"
        )
        return expected / float(span)
    finally:
        await connection.close()


def event(number: int, prefix: str, subject: str | None = None) -> bytes:
    """Return one small event in structured mode."""
    about = f'"subject":"{subject}",' if subject else ""
    return (
        f'{{"specversion":"1.0","id":"{number}","source":"/load/{prefix}",{about}'
        f'"type":"{EVENT_TYPE}","data":{BODY.decode()}}}'
    ).encode()


class CpuSplit:
    """How much of a core each process took, between two looks."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = pids
        self._before = self._seconds()

    def text(self, elapsed: float) -> str:
        """Return ``name 0.12`` for each process, in cores, since it was made."""
        now = self._seconds()
        return ", ".join(
            f"{name} {(now[name] - before) / elapsed:.2f}"
            for name, before in self._before.items()
        )

    def _seconds(self) -> dict[str, float]:
        return {name: processor_seconds(pid) for name, pid in self._pids.items()}


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process and its living descendants have taken; 0 if it has ended."""
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total = 0.0
    for member in family:
        try:
            times = member.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total
