"""The example of docs/adapters.md passes the contract, as it is printed there."""

import re
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType

import pytest

from eventstore.database import Database
from workflows.adapters.shared.ledger import Entry, SliceState, What
from workflows.adapters.shared.provisioner import KeyedProvisioner
from workflows.messages.infra import Resource
from workflows.ports import Provisioner
from workflows.testing.provisioner import Look, ProvisionerContract

DOCUMENT = Path(__file__).parents[4] / "docs" / "adapters.md"


def code() -> str:
    blocks: list[str] = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)
    return next(block for block in blocks if "class SchemaProvider" in block)


@pytest.fixture(scope="module")
def example() -> ModuleType:
    module = ModuleType("example")
    exec(compile(code(), "adapters.md", "exec"), module.__dict__)
    return module


def schema(name: str, purpose: str) -> Resource:
    return Resource(name=name, kind="schema", properties={"purpose": purpose})


def test_it_has_about_forty_lines_of_code() -> None:
    lines = [line for line in code().splitlines() if line.strip() and '"""' not in line]
    assert len(lines) <= 40


class TestSchemas(ProvisionerContract):
    first = (schema("orders", "it's ours"), schema("old", "x"))
    second = (schema("orders", "yours"), schema("new", "y"))
    other = schema("bills", "z")

    @pytest.fixture
    def provisioner(self, example: ModuleType, database: Database) -> Provisioner:
        return KeyedProvisioner(database, example.SchemaProvider(database))

    @pytest.fixture
    def look(self, example: ModuleType, database: Database) -> Look:
        async def look() -> Mapping[str, str]:
            rows = await database.fetch(
                "select nspname, obj_description(oid) as comment from pg_namespace"
                " where nspname like 'env\\_%'"
            )
            kept = {example.schema_of(location) for location in await _kept(database)}
            comments = [row["comment"] for row in rows if row["nspname"] not in kept]
            return {comment.partition(":")[0]: comment for comment in comments}

        return look


async def _kept(database: Database) -> set[str]:
    """The locations that only undoing the last change needs."""
    entries = await database.fetch(
        "select entry from environment_changes where committed order by revision"
    )
    states = await database.fetch("select state from environment_slices")
    last = Entry.model_validate_json(entries[-1]["entry"]) if entries else None
    if last is None or last.what is not What.PROVISION:
        return set()
    needed = {
        location
        for row in states
        for location in SliceState.model_validate_json(row["state"]).places.values()
    }
    return set(last.before.places.values()) - needed
