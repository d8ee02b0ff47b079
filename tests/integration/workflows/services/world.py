"""One service of an environment, deployed and used over HTTP."""

from pathlib import Path

import httpx

from bridge.runtime.object_store import ObjectStore
from eventstore.database import Database
from tests.support.services import HOST
from workflows.adapters.containment import Containment, Limits
from workflows.adapters.local.checks import Checks, ContainedChecks, PlainChecks
from workflows.adapters.local.releases import LocalDeployer
from workflows.adapters.services.control import Control
from workflows.adapters.services.keeper import ServiceKeeper
from workflows.adapters.services.runner import (
    NoRunner,
    ProcessRunner,
    Runner,
    RunnerSettings,
)
from workflows.adapters.shared.artefacts import Artefacts
from workflows.messages.deployment import Deployed, DeployRequest, ReleaseRef
from workflows.sql import STATEMENTS

CAGED = ContainedChecks(Containment(limits=Limits(seconds=20, cpu=10), required=False))
WELL = {"shop.py": "def price() -> int:\n    return 5\n"}
UNWELL = {"shop.py": "raise RuntimeError('no database')\n"}


def priced(price: int) -> dict[str, str]:
    return {"shop.py": f"def price() -> int:\n    return {price}\n"}


class World:
    """The releases of one service."""

    def __init__(
        self,
        database: Database,
        folder: Path,
        service: str = "shop",
        *,
        checks: Checks | None = None,
        runner: Runner | None = None,
        machine: str = "here",
        containment: str = "best-effort",
    ) -> None:
        self.database = database
        self.service = service
        self.settings = RunnerSettings(
            machine=machine,
            host=HOST,
            address=HOST,
            folder=folder / "services",
            containment=containment,
            health_seconds=60,
            memory=2**29,
        )
        self.deployer = LocalDeployer(
            database,
            Artefacts(ObjectStore.open(str(folder / "objects"))),
            checks or PlainChecks(seconds=30),
            runner or ProcessRunner(self.settings),
        )
        self.keeper = ServiceKeeper(database, self.deployer, machine, HOST)

    async def deploy(
        self, release: str, files: dict[str, str] | None = None, smoke_check: str | None = None
    ) -> Deployed:
        return await self.deployer.deploy(
            DeployRequest(
                environment="staging",
                service=self.service,
                release=release,
                files=WELL if files is None else files,
                smoke_check=smoke_check,
            )
        )

    async def roll_back(self, release: str) -> tuple[bool, str | None]:
        done = await self.deployer.roll_back(self.ref(release))
        return done.undone, done.current

    def ref(self, release: str) -> ReleaseRef:
        return ReleaseRef(environment="staging", service=self.service, release=release)

    async def current(self) -> str | None:
        row = await self.database.fetchrow(STATEMENTS["service"], "staging", self.service)
        return row["current"] if row else None

    async def control(self) -> Control | None:
        row = await self.database.fetchrow(STATEMENTS["service"], "staging", self.service)
        return Control.of(row, HOST) if row else None

    async def answer(self, path: str = "/price") -> httpx.Response | None:
        """What a client gets; None if nothing listens."""
        control = await self.control()
        if control is None:
            return None
        async with httpx.AsyncClient(timeout=30, trust_env=False) as client:
            try:
                return await client.post(f"{control.url}{path}")
            except httpx.ConnectError:
                return None

    async def price(self) -> int | None:
        answer = await self.answer()
        if answer is None:
            return None
        price: int = answer.json()["result"]
        return price


def recording(database: Database, folder: Path, checks: Checks | None = None) -> World:
    """A service whose releases are recorded and checked, and not started."""
    return World(database, folder, checks=checks, runner=NoRunner())
