"""The environments of a folder, for tests that use them and look at them from outside."""

import json
from pathlib import Path
from typing import Any

from workflows.adapters.local.environments import LocalProvisioner
from workflows.adapters.local.ledger import EnvironmentState
from workflows.messages.infra import (
    DestroyRequest,
    Plan,
    PlanRequest,
    ProvisionRequest,
    Resource,
    UndoRequest,
)

ENV = "staging"


def resource(name: str, kind: str = "bucket", **properties: Any) -> Resource:
    return Resource(name=name, kind=kind, properties=properties)


FIRST = (resource("files"), resource("orders", "database", engine="a"), resource("old"))
SECOND = (
    resource("files", versioned=True),
    resource("orders", "database", engine="b"),
    resource("disk", "volume", size_mb=3),
)


class World:
    """The environments of a folder, used and looked at from outside."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / ENV
        self.provisioner = LocalProvisioner(folder)

    async def plan(self, *desired: Resource) -> Plan:
        return await self.provisioner.plan(PlanRequest(environment=ENV, resources=desired))

    async def provision(self, key: str, *desired: Resource) -> int:
        plan = await self.plan(*desired)
        return await self.apply(key, plan)

    async def apply(self, key: str, plan: Plan) -> int:
        done = await self.provisioner.provision(ProvisionRequest(plan=plan, key=key))
        return done.revision

    async def roll_back(self, key: str) -> bool:
        done = await self.provisioner.roll_back(UndoRequest(environment=ENV, key=key))
        return done.undone

    async def destroy(self, key: str, made_by: str | None = None) -> tuple[str, ...]:
        done = await self.provisioner.destroy(
            DestroyRequest(environment=ENV, key=key, made_by=made_by)
        )
        return done.destroyed

    @property
    def state(self) -> EnvironmentState:
        return EnvironmentState.model_validate_json((self.folder / "state.json").read_bytes())

    @property
    def there(self) -> dict[str, Resource]:
        """The resources by what lies in their folders, leftovers and all."""
        place = self.folder / "resources"
        return {
            each.name: Resource.model_validate_json((each / "resource.json").read_bytes())
            for each in (place.iterdir() if place.exists() else ())
        }

    @property
    def changes(self) -> list[tuple[int, str]]:
        """The history: revisions, and what made them."""
        entries = [json.loads(each.read_bytes()) for each in self.folder.glob("history/*.json")]
        return sorted((each["after"]["revision"], each["what"]) for each in entries)

    def holds(self, *resources: Resource) -> None:
        wanted = {each.name: each for each in resources}
        assert self.there == wanted
        assert {each.name: each for each in self.state.resources} == wanted
        assert not (self.folder / "journal.json").exists()
