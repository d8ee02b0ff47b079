"""OpenTofu or Terraform: what is planned, what has drifted, and workers killed on the way."""

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from eventstore.database import Database
from tests.support import tofu
from tests.support.tofu import FIRST, SECOND
from tests.support.waiting import eventually
from workflows.adapters.shared.artefacts import Artefacts
from workflows.adapters.shared.ledger import SliceLedger
from workflows.adapters.tofu.program import Workspace
from workflows.adapters.tofu.provider import TofuProvisioner
from workflows.errors import InvalidInputError, PlanOutdatedError, ToolFailedError
from workflows.messages.infra import (
    Action,
    Impact,
    Plan,
    PlanRequest,
    ProvisionRequest,
    Resource,
    UndoRequest,
)

pytestmark = [tofu.needs_tofu, pytest.mark.slow]


def note(name: str, text: str) -> Resource:
    return Resource(name=name, kind="note", properties={"text": text})


class World:
    """An environment by OpenTofu or Terraform."""

    def __init__(self, database: Database, url: str, folder: Path) -> None:
        self.database = database
        self.url = url
        self.folder = folder
        self.kinds = tofu.write_kinds(folder / "kinds")
        self.provisioner = self.another_worker()

    def another_worker(self) -> TofuProvisioner:
        return tofu.provisioner(self.database, self.url, self.kinds, self.folder / "objects")

    async def plan(self, *wanted: Resource) -> Plan:
        return await self.provisioner.plan(PlanRequest(environment="staging", resources=wanted))

    async def apply(self, key: str, plan: Plan) -> int:
        request = ProvisionRequest(plan=plan, key=key)
        return (await self.another_worker().provision(request)).revision

    async def roll_back(self, key: str) -> bool:
        request = UndoRequest(environment="staging", key=key)
        return (await self.another_worker().roll_back(request)).undone

    async def look(self) -> Mapping[str, str]:
        return await tofu.look(self.database)


@pytest.fixture
def world(database: Database, migrated_database_url: str, tmp_path: Path) -> World:
    return World(database, migrated_database_url, tmp_path)


async def test_a_plan_says_what_the_program_would_do(world: World) -> None:
    plan = await world.plan(*FIRST)
    assert plan.impact is Impact.LOW
    assert {change.action for change in plan.changes} == {Action.CREATE}
    await world.apply("one", plan)
    changed = await world.plan(*SECOND)
    found = {change.name: (change.action, change.properties) for change in changed.changes}
    assert found == {
        "disk": (Action.CREATE, ()),
        "files": (Action.UPDATE, ("text",)),
        "old": (Action.DESTROY, ()),
        "orders": (Action.REPLACE, ("engine",)),  # the module says so, not our rules
    }
    assert changed.impact is Impact.HIGH
    assert changed.reasons == ("old is destroyed", "orders is replaced: its data are lost")


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        (Resource(name="a", kind="databse"), "unknown kind databse; did you mean database"),
        (Resource(name="a", kind="note", properties={"txt": "x"}), "txt"),
        (Resource(name="a", kind="database", properties={"size": "big"}), "number is required"),
        (Resource(name="a", kind="follower"), "path"),
        (Resource(name="0.a", kind="note"), "begins with a letter"),
    ],
)
async def test_what_a_module_does_not_know_is_refused_when_planning(
    world: World, wanted: Resource, says: str
) -> None:
    with pytest.raises(InvalidInputError, match=says):
        await world.plan(wanted)


async def test_what_the_worker_s_environment_says_of_other_work_does_not_count(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TF_WORKSPACE", "another")
    monkeypatch.setenv("TF_DATA_DIR", str(world.folder / "shared"))
    (world.kinds / ".terraform.lock.hcl").touch()
    await world.apply("one", await world.plan(note("a", "x")))
    assert set(await world.look()) == {"a"}
    assert not (world.folder / "shared").exists()


async def test_texts_are_not_evaluated(world: World) -> None:
    texts = '${file("/etc/passwd")} %{ if true }x%{ endif } $${x}'
    await world.apply("one", await world.plan(note("a", texts)))
    assert "root:" not in (await world.look())["a"]
    assert "${file(" in (await world.look())["a"]
    assert (await world.plan(note("a", texts))).changes == ()


async def test_what_others_changed_is_planned_back_and_needs_approval(world: World) -> None:
    wanted = (note("a", "x"), note("b", "y"))
    await world.apply("one", await world.plan(*wanted))
    await _change_state(world, '"x"', '"changed by hand"')
    plan = await world.plan(*wanted)
    assert [(each.name, each.action) for each in plan.changes] == [("a", Action.UPDATE)]
    assert plan.impact is Impact.HIGH
    assert plan.reasons == ("a was changed by others: the plan changes it back",)


async def test_a_plan_is_refused_if_the_state_was_changed_since(world: World) -> None:
    await world.apply("one", await world.plan(note("a", "x"), note("b", "y")))
    plan = await world.plan(note("a", "x"), note("b", "z"))
    await _change_state(world, '"x"', '"changed by hand"')
    with pytest.raises(PlanOutdatedError, match="changed by others since"):
        await world.apply("two", plan)
    assert "changed by hand" in (await world.look())["a"]
    assert not await world.roll_back("two"), "nothing had begun"


async def test_a_plan_is_refused_if_what_it_depends_on_has_changed(world: World) -> None:
    path = world.folder / "followed"
    wanted = Resource(name="a", kind="follower", properties={"path": str(path)})
    plan = await world.plan(wanted)
    path.write_text("changed")
    with pytest.raises(PlanOutdatedError, match="changed by others since"):
        await world.apply("one", plan)
    assert await world.look() == {}


async def test_a_plan_is_refused_if_a_module_has_changed(world: World) -> None:
    plan = await world.plan(note("a", "x"))
    (world.kinds / "note" / "more.tf").write_text('resource "terraform_data" "more" {}\n')
    with pytest.raises(PlanOutdatedError, match="changed by others since"):
        await world.apply("one", plan)


class Killed(BaseException):
    """Stands for SIGKILL."""


@pytest.mark.torture
async def test_killed_while_planning_nothing_is_changed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def killed(*_: object) -> str:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Artefacts, "put", killed)
        with pytest.raises(Killed):
            await world.plan(*FIRST)
    assert await world.look() == {}
    assert await world.apply("one", await world.plan(*FIRST)) == 1


@pytest.mark.torture
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("then", ["retry", "roll back", "others"])
async def test_killed_before_or_after_the_program_applies(
    world: World, monkeypatch: pytest.MonkeyPatch, then: str, *, after: bool
) -> None:
    await world.apply("one", await world.plan(*FIRST))
    before = await world.look()
    plan = await world.plan(*SECOND)

    async def killed(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        if after:
            patch.setattr(SliceLedger, "commit", killed)
        else:
            patch.setattr(Workspace, "apply", killed)
        with pytest.raises(Killed):
            await world.apply("two", plan)
    if then == "retry":
        assert await world.apply("two", plan) == 2
        assert set(await world.look()) == {"orders", "files", "disk"}
        assert (await world.plan(*SECOND)).changes == ()
    elif then == "roll back":
        assert await world.roll_back("two")
        assert set(await world.look()) == set(before)
        assert (await world.plan(*FIRST)).changes == ()
    else:
        with pytest.raises(PlanOutdatedError):
            await world.apply("others", plan)
        assert (await world.plan(*FIRST)).changes == (), "it was undone first"


_WORKER = """
import asyncio, sys
from pathlib import Path
from eventstore.database import Database
from tests.support import tofu
from workflows.messages.infra import Plan, ProvisionRequest

async def main(url, kinds, objects, plan):
    database = await Database.connect(url)
    provisioner = tofu.provisioner(database, url, Path(kinds), Path(objects))
    plan = Plan.model_validate_json(Path(plan).read_bytes())
    await provisioner.provision(ProvisionRequest(plan=plan, key="one"))

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.torture
async def test_a_worker_killed_while_the_program_applies_is_waited_for(world: World) -> None:
    """The program outlives its worker, and holds the lock of the state until it has ended."""
    begun, released = world.folder / "begun", world.folder / "released"
    script = f"echo x >> {begun}; while [ ! -e {released} ]; do sleep 0.1; done"
    slow = Resource(name="slow", kind="slow", properties={"script": script})
    plan = await world.plan(slow, note("a", "x"))
    saved = world.folder / "plan.json"
    saved.write_text(plan.model_dump_json())
    worker = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", _WORKER, world.url, str(world.kinds)),
        *(str(world.folder / "objects"), str(saved)),
        env={**os.environ, "TMPDIR": str(world.folder)},  # a killed worker removes nothing
    )
    await eventually(begun.exists, within=150)
    os.kill(worker.pid, signal.SIGKILL)
    await worker.wait()
    retry = asyncio.create_task(world.apply("one", plan))
    await asyncio.wait({retry}, timeout=3)
    assert not retry.done(), "it did not wait for the program of the killed worker"
    released.touch()
    assert await retry == 1
    assert set(await world.look()) == {"slow", "a"}
    assert begun.read_text() == "x\n", "it was made once"


@pytest.mark.torture
async def test_a_program_that_is_killed_too_leaves_a_rest_that_is_applied(
    world: World,
) -> None:
    begun, released = world.folder / "begun", world.folder / "released"
    script = f"echo $PPID >> {begun}; while [ ! -e {released} ]; do sleep 0.1; done"
    slow = Resource(name="slow", kind="slow", properties={"script": script})
    plan = await world.plan(slow, note("a", "x"))
    applying = asyncio.create_task(world.apply("one", plan))
    await eventually(lambda: begun.exists() and begun.read_text().endswith("\n"), within=150)
    program = begun.read_text()
    os.kill(int(program), signal.SIGKILL)
    with pytest.raises(ToolFailedError):
        await applying
    released.touch()
    assert await world.apply("one", plan) == 1
    assert set(await world.look()) == {"slow", "a"}
    assert (await world.plan(slow, note("a", "x"))).changes == ()


async def test_a_cancelled_program_ends_and_saves_its_state(world: World) -> None:
    begun = world.folder / "begun"
    script = f"echo $PPID > {begun}; sleep 600"
    slow = Resource(name="slow", kind="slow", properties={"script": script})
    plan = await world.plan(note("a", "x"), slow)
    applying = asyncio.create_task(world.apply("one", plan))
    await eventually(lambda: begun.exists() and begun.read_text().endswith("\n"), within=150)
    applying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await applying
    with pytest.raises(ProcessLookupError):
        os.kill(int(begun.read_text()), 0)
    assert "a" in await world.look(), "the state was saved"
    assert await world.roll_back("one")
    assert await world.look() == {}


async def _change_state(world: World, old: str, new: str) -> None:
    """Change a state as another user of the program does: its content and its serial."""
    await world.database.execute(
        "update ntbridge_tofu.states set data = regexp_replace(replace(data, $1, $2),"
        " '\"serial\": ?(\\d+)', '\"serial\": 1000')",
        old,
        new,
    )
