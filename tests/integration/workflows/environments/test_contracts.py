"""The shipped provisioners pass the contract."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from eventstore.database import Database
from tests.integration.workflows.environments.world import FIRST, SECOND, World, resource
from tests.support import tofu
from workflows.messages.infra import Resource
from workflows.ports import Provisioner
from workflows.testing.provisioner import ENVIRONMENT, Look, ProvisionerContract


class TestLocal(ProvisionerContract):
    first = FIRST
    second = SECOND
    other = resource("bills")

    @pytest.fixture
    def provisioner(self, world: World) -> Provisioner:
        return world.provisioner

    @pytest.fixture
    def look(self, world: World) -> Look:
        async def look() -> Mapping[str, str]:
            both = [await world.seen(), await world.of("billing").seen()]
            return {
                name: made.model_dump_json()
                for seen in both
                for name, made in seen.made.items()
            }

        return look


@tofu.needs_tofu
@pytest.mark.slow
class TestTofu(ProvisionerContract):
    first = tofu.FIRST
    second = tofu.SECOND
    other = Resource(name="bills", kind="note")

    @pytest.fixture
    def provisioner(
        self, database: Database, migrated_database_url: str, tmp_path: Path
    ) -> Provisioner:
        kinds = tofu.write_kinds(tmp_path / "kinds")
        return tofu.provisioner(database, migrated_database_url, kinds, tmp_path / "objects")

    @pytest.fixture
    def look(self, database: Database) -> Look:
        async def look() -> Mapping[str, str]:
            return await tofu.look(database, ENVIRONMENT)

        return look
