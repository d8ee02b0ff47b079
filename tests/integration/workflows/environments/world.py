"""One slice of an environment, for tests that use it and look at it from outside."""

from pathlib import Path
from typing import Any

from bridge.runtime.object_store import ObjectStore
from eventstore.database import Database
from tests.support.environments import SeenSlice, look
from workflows.adapters.local.environments import LocalProvisioner
from workflows.messages.infra import (
    DestroyRequest,
    Plan,
    PlanRequest,
    ProvisionRequest,
    Resource,
    UndoRequest,
)


def resource(name: str, kind: str = "bucket", **properties: Any) -> Resource:
    return Resource(name=name, kind=kind, properties=properties)


FIRST = (resource("files"), resource("orders", "database", engine="a"), resource("old"))
SECOND = (
    resource("files", versioned=True),
    resource("orders", "database", engine="b"),
    resource("disk", "volume", size_mb=3),
)


class World:
    """What one owner has in an environment."""

    def __init__(
        self,
        database: Database,
        objects: Path,
        environment: str = "staging",
        owner: str | None = None,
        *,
        pause: float = 0,
    ) -> None:
        self._database = database
        self._objects = objects
        self.environment = environment
        self.owner = owner
        store = ObjectStore.open(str(objects))
        self.provisioner = LocalProvisioner(database, store, pause=pause)

    def of(self, owner: str) -> "World":
        """Another owner's slice of the same environment."""
        return World(self._database, self._objects, self.environment, owner)

    async def plan(self, *desired: Resource) -> Plan:
        return await self.provisioner.plan(
            PlanRequest(environment=self.environment, owner=self.owner, resources=desired)
        )

    async def provision(self, key: str, *desired: Resource) -> int:
        plan = await self.plan(*desired)
        return await self.apply(key, plan)

    async def apply(self, key: str, plan: Plan) -> int:
        done = await self.provisioner.provision(ProvisionRequest(plan=plan, key=key))
        return done.revision

    async def roll_back(self, key: str) -> bool:
        done = await self.provisioner.roll_back(
            UndoRequest(environment=self.environment, owner=self.owner, key=key)
        )
        return done.undone

    async def destroy(self, key: str, made_by: str | None = None) -> tuple[str, ...]:
        done = await self.provisioner.destroy(
            DestroyRequest(
                environment=self.environment, owner=self.owner, key=key, made_by=made_by
            )
        )
        return done.destroyed

    async def seen(self) -> SeenSlice:
        return await look(self._database, self._objects, self.environment, self.owner or "")

    async def holds(self, *resources: Resource) -> None:
        wanted = {each.name: each for each in resources}
        seen = await self.seen()
        assert seen.made == wanted
        assert {each.name: each for each in seen.state.resources} == wanted
        assert not seen.unfinished

    async def changes(self) -> list[tuple[int, str]]:
        return (await self.seen()).changes
