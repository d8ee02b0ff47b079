"""The infrastructure workflow with OpenTofu or Terraform: approved, denied, changed meanwhile."""

import json
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client

from eventstore.database import Database
from eventstore.store import EventStore
from tests.replay.infra_provision_branches import (
    ASKING,
    CONFIRMED,
    FAILED,
    Branch,
    Says,
    confirms,
    grants,
)
from tests.replay.infra_provision_runs import Ran, run_in
from tests.support import tofu

pytestmark = [tofu.needs_tofu, pytest.mark.slow]

NOTE = {"name": "files", "kind": "note", "properties": {"text": "x"}}
WANTED = {**ASKING, "resources": [NOTE]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tofu.write_kinds(tmp_path / "kinds")
    return tmp_path


async def run(
    branch: Branch, folder: Path, client: Client, queue: str, store: EventStore
) -> tuple[Ran, dict[str, Any]]:
    database = store.database
    real = tofu.provisioner(database, database.dsn, folder / "kinds", folder / "objects")
    ran = await run_in(folder, branch, client, queue, store, database, real=real)
    events = [each async for each in store.read_stream(f"run-{ran.handle.id}")]
    names = [str(each.topic).removeprefix("results.infra.") for each in events]
    assert names == list(branch.emits)
    closing: dict[str, Any] = json.loads(events[-1].event.data or b"null")
    return ran, closing


async def test_what_is_approved_is_applied(
    folder: Path, client: Client, task_queue: str, store: EventStore, database: Database
) -> None:
    branch = Branch(
        name="approved",
        argument=WANTED,
        says=(grants(), confirms()),
        emits=(*CONFIRMED, "provisioned", "completed"),
    )
    _, closing = await run(branch, folder, client, task_queue, store)
    assert (closing["status"], closing["provisioned"]["revision"]) == ("COMPLETED", 1)
    assert set(await tofu.look(database, "production")) == {"files"}


async def test_what_is_denied_is_not_applied(
    folder: Path, client: Client, task_queue: str, store: EventStore, database: Database
) -> None:
    no = Says(after="approval-requested", data={"who": "ann", "approved": False})
    emits = ("planned", "approval-requested", "approval-denied", "completed")
    branch = Branch(name="denied", argument=WANTED, says=(no,), emits=emits)
    _, closing = await run(branch, folder, client, task_queue, store)
    assert closing["status"] == "REJECTED"
    assert await tofu.look(database, "production") == {}


async def test_what_changed_after_the_approval_is_not_applied(
    folder: Path, client: Client, task_queue: str, store: EventStore, database: Database
) -> None:
    branch = Branch(
        name="moved",
        argument=WANTED,
        says=(grants(), confirms()),
        emits=(*CONFIRMED, "rolled-back", "failed"),
        moves=True,
        status=FAILED,
    )
    _, closing = await run(branch, folder, client, task_queue, store)
    assert closing["error"] == "PlanOutdatedError"
    assert set(await tofu.look(database, "production")) == {"theirs"}
