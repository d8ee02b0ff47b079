"""The real daemon and the real workers as children of a test, with settings of the test's own."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import yaml

from bridge.daemon.setup import prepare
from bridge.devstack.addresses import Addresses
from bridge.devstack.child import Child, Command
from bridge.devstack.environment import scrubbed
from bridge.devstack.stack import says
from bridge.settings.schema import Settings
from bridge.settings.sources import from_environment, load
from tests.support.servers import ROOT

REQUESTED = "io.quantum-suite.code-generation.requested.v1"
LIGHT = "io.quantum-suite.light.requested.v1"

_LAST_LINES = 25


@dataclass(frozen=True, kw_only=True)
class Bridge:
    """One bridge on servers that others use too: a prefix, a database, a task queue, two routes.

    Attributes:
        addresses: of the servers.
        database_url: its own database, migrated or empty.
        prefix: of its streams and subjects, and of its routes' names.
        task_queue: that its routes start workflows on.
        folder: for its routes file and its processes' logs.
        closures: whether its daemon tells how runs ended; most tests count their own events.
    """

    addresses: Addresses
    database_url: str
    prefix: str
    task_queue: str
    folder: Path
    closures: bool = False

    @property
    def light_route(self) -> str:
        """The name of the route to the light workflow."""
        return f"{self.prefix}-light"

    @property
    def route(self) -> str:
        """The name of the route to the code generation."""
        return f"{self.prefix}-code-generation"

    @property
    def routes_file(self) -> Path:
        """Where the routes lie once `set_up` was called."""
        return self.folder / "routes.yaml"

    @property
    def environment(self) -> dict[str, str]:
        """All that a process of ours needs to be told, and nothing of what is exported."""
        return {
            **scrubbed(),
            "PYTHONPATH": str(ROOT),
            "NATS_URL": self.addresses.nats_url,
            "TEMPORAL_ADDRESS": self.addresses.temporal_address,
            "DATABASE_URL": self.database_url,
            "NTBRIDGE_NATS__PREFIX": self.prefix,
            "NTBRIDGE_EMIT__TASK_QUEUE": f"{self.prefix}-events",
            "NTBRIDGE_ROUTES": str(self.routes_file),
            "NTBRIDGE_HTTP__PORT": "0",
            "NTBRIDGE_WORKER_HTTP_PORT": "0",
            "NTBRIDGE_CLOSURES__ENABLED": str(self.closures).lower(),
        }

    @property
    def settings(self) -> Settings:
        """The same as the daemon reads it."""
        return load([from_environment(self.environment)]).settings

    async def set_up(self) -> None:
        """Write the routes file and make what is missing on the servers."""
        routes = [
            {
                "name": name,
                "from": f"events.{domain}.requested",
                "type": event_type,
                "start": {"workflow": workflow, "task_queue": self.task_queue},
            }
            for name, domain, event_type, workflow in (
                (self.route, "code-generation", REQUESTED, "CodeGenerationWorkflow"),
                (self.light_route, "light", LIGHT, "LightWorkflow"),
            )
        ]
        self.routes_file.write_text(yaml.safe_dump({"routes": routes}))
        await prepare(self.settings)

    def daemon(self, name: str = "daemon", **env: str) -> Child:
        """``ntbridge run``; ready when it says so."""
        return self._child(name, ["bridge", "run"], "daemon.ready", env)

    def worker(self, name: str = "worker", **env: str) -> Child:
        """``ntbridge-worker`` for the code generation, on the test's task queue."""
        env = {"NTBRIDGE_WORKER_TASK_QUEUE": self.task_queue, **env}
        return self._child(name, ["tests.support.light_worker"], "worker ready", env)

    def light_worker(self, name: str = "light-worker") -> Child:
        """The same process, for the light workflow."""
        return self.worker(name, NTBRIDGE_WORKER_MODULES="light")

    def console(self, name: str = "console", **env: str) -> Child:
        """``ntbridge console`` on a free port; its log says which."""
        env = {"NTBRIDGE_CONSOLE__PORT": "0", "NTBRIDGE_LOG__FORMAT": "json", **env}
        return self._child(name, ["bridge", "console"], "console.listening", env)

    def _child(self, name: str, module: list[str], ready: str, env: dict[str, str]) -> Child:
        return Child(
            Command(
                name=name,
                argv=[sys.executable, "-m", *module],
                env={**self.environment, **env},
                log=self.folder / f"{name}.log",
                ready=says(ready),
                start_within=180,
                stop_within=120,
            )
        )


Kind = TypeVar("Kind", bound=Bridge)


async def set_up(
    kind: type[Kind],
    addresses: Addresses,
    database_url: str,
    prefix: str,
    task_queue: str,
    folder: Path,
) -> Kind:
    """A bridge of some kind, set up and not running."""
    made = kind(
        addresses=addresses,
        database_url=database_url,
        prefix=prefix,
        task_queue=task_queue,
        folder=folder,
    )
    await made.set_up()
    return made


@asynccontextmanager
async def running(*children: Child) -> AsyncIterator[None]:
    """Start the children in order, kill them at the end; a failure inside tells their last lines."""
    try:
        for child in children:
            await child.start()
        yield
    except BaseException as error:
        for child in children:
            lines = child.output().splitlines()[-_LAST_LINES:]
            error.add_note("\n  ".join([f"{child.name} said last:", *lines]))
        raise
    finally:
        for child in reversed(children):
            await child.kill()
