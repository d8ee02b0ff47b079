"""Environments on this machine: made, restored, destroyed; and killed at every step of it."""

import asyncio
import json
import socket
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import eventually
from tests.unit.workflows.local_kills import Killed, killed_at
from workflows.adapters.local.environments import LocalProvisioner
from workflows.adapters.local.ledger import State
from workflows.errors import PlanOutdatedError, ProvisionRefusedError, RunUndoneError
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
    def state(self) -> State:
        return State.model_validate_json((self.folder / "state.json").read_bytes())

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


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_what_was_planned_is_made_and_real(world: World) -> None:
    assert await world.provision("one", *FIRST) == 1
    world.holds(*FIRST)
    assert (world.folder / "resources/files/objects").is_dir()
    assert await world.provision("two", *SECOND) == 2
    world.holds(*SECOND)
    assert (world.folder / "resources/disk/volume.img").stat().st_size == 3 * 2**20
    assert world.state.made_by == "one"


async def test_a_repeat_changes_nothing(world: World) -> None:
    plan = await world.plan(*FIRST)
    assert [await world.apply("one", plan) for _ in range(3)] == [1, 1, 1]
    assert world.changes == [(1, "provision")]


async def test_a_plan_is_applied_to_what_it_was_made_for_and_to_nothing_else(
    world: World,
) -> None:
    stale = await world.plan(*FIRST)
    await world.provision("one", resource("other"))
    with pytest.raises(PlanOutdatedError, match="plan again"):
        await world.apply("two", stale)
    world.holds(resource("other"))


async def test_a_plan_that_was_tampered_with_is_refused(world: World) -> None:
    plan = await world.plan(*FIRST)
    with pytest.raises(ProvisionRefusedError, match="changed after it was made"):
        await world.apply("one", plan.model_copy(update={"desired": ()}))


async def test_one_key_applies_one_plan(world: World) -> None:
    await world.provision("one", *FIRST)
    with pytest.raises(ProvisionRefusedError, match="another plan"):
        await world.provision("one", *SECOND)


async def test_rolling_back_restores_everything_the_data_of_what_was_destroyed_too(
    world: World,
) -> None:
    await world.provision("one", *FIRST)
    with closing(sqlite3.connect(world.folder / "resources/orders/database.sqlite3")) as orders:
        orders.execute("create table orders (id)")
    await world.provision("two", *SECOND)
    assert await world.roll_back("two")
    world.holds(*FIRST)
    with closing(sqlite3.connect(world.folder / "resources/orders/database.sqlite3")) as orders:
        assert orders.execute("select count(*) from orders").fetchone() == (0,)
    assert await world.roll_back("two"), "the repeat says the same"
    assert world.changes == [(1, "provision"), (2, "provision"), (3, "roll back")]


async def test_rolling_back_the_first_change_leaves_no_environment(world: World) -> None:
    await world.provision("one", *FIRST)
    await world.roll_back("one")
    world.holds()
    assert not world.state.exists


async def test_rolling_back_is_harmless_when_there_is_nothing_to_undo(world: World) -> None:
    assert not await world.roll_back("nobody")
    await world.provision("one", *FIRST)
    assert not await world.roll_back("nobody")
    world.holds(*FIRST)


async def test_nothing_is_rolled_back_over_the_changes_of_others(world: World) -> None:
    await world.provision("one", *FIRST)
    await world.provision("two", *SECOND)
    with pytest.raises(PlanOutdatedError, match="undoing would undo that too"):
        await world.roll_back("one")
    world.holds(*SECOND)


async def test_a_try_that_comes_after_the_rollback_is_refused(world: World) -> None:
    plan = await world.plan(*FIRST)
    await world.roll_back("one")
    with pytest.raises(RunUndoneError, match="was undone"):
        await world.apply("one", plan)
    assert world.there == {}


async def test_what_cannot_be_made_is_told_and_undone_by_rolling_back(world: World) -> None:
    await world.provision("one", *FIRST)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ProvisionRefusedError, match=f"web: port {port} cannot be had"):
            await world.provision("two", *SECOND, resource("web", "endpoint", port=port))
    assert await world.roll_back("two")
    world.holds(*FIRST)
    assert await world.roll_back("two"), "the repeat says the same"
    assert await world.provision("three", *SECOND) == 2


@pytest.mark.parametrize(
    ("kind", "properties", "reason"),
    [
        ("volume", {}, "needs size_mb"),
        ("volume", {"size_mb": True}, "needs size_mb"),
        ("volume", {"size_mb": 10**9}, "does not fit"),
        ("endpoint", {"port": 0}, "0 is no port"),
        ("endpoint", {"port": "80"}, "needs port"),
    ],
)
async def test_what_can_never_be_made(
    world: World, kind: str, properties: dict[str, Any], reason: str
) -> None:
    with pytest.raises(ProvisionRefusedError, match=reason):
        await world.provision("one", resource("it", kind, **properties))


async def test_destroying_takes_everything_and_is_harmless_to_repeat(world: World) -> None:
    assert await world.destroy("nothing-there") == ()
    await world.provision("one", *FIRST)
    assert await world.destroy("two") == ("files", "old", "orders")
    assert await world.destroy("two") == ("files", "old", "orders")
    assert await world.destroy("three") == ()
    world.holds()


async def test_a_compensation_destroys_what_its_run_has_made_and_nothing_else(
    world: World,
) -> None:
    await world.provision("one", *FIRST)
    await world.provision("two", *SECOND)
    assert await world.destroy("two", made_by="two") == (), "two has not made it"
    with pytest.raises(PlanOutdatedError, match="changed by two since"):
        await world.destroy("one", made_by="one")
    world.holds(*SECOND)


async def test_a_cancelled_provision_stops_and_can_be_undone(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.provisioner = LocalProvisioner(tmp_path, pause=0.05)
    plan = await world.plan(*(resource(f"r{number}") for number in range(100)))
    provisioning = asyncio.create_task(world.apply("one", plan))
    await eventually((world.folder / "resources/r1").exists)
    provisioning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await provisioning
    assert 0 < len(world.there) < 50
    assert await world.roll_back("one")
    assert world.there == {}


async def test_changes_of_one_environment_exclude_each_other(world: World) -> None:
    plan = await world.plan(*FIRST)
    done = await asyncio.gather(
        *(world.apply(f"key {number}", plan) for number in range(4)), return_exceptions=True
    )
    assert sum(each == 1 for each in done) == 1
    assert sum(isinstance(each, PlanOutdatedError) for each in done) == 3


Act = Callable[[World], Awaitable[Any]]


async def _provision(world: World) -> None:
    await world.provision("two", *SECOND)


async def _roll_back(world: World) -> None:
    await world.roll_back("two")


async def _destroy(world: World) -> None:
    await world.destroy("three")


async def _at_every_moment(tmp_path: Path, act: Act, after: Act, *begin: Act) -> int:
    """Kill an act at every moment it has, and see what comes after; return how many it had."""
    moment = 0
    while True:
        world = World(tmp_path / str(moment))
        await world.provision("one", *FIRST)
        for each in begin:
            await each(world)
        with killed_at(moment) as calls:
            try:
                await act(world)
            except Killed:
                pass
            else:
                return calls[0]
        await after(World(tmp_path / str(moment)))
        moment += 1


async def test_killed_anywhere_in_provisioning_the_retry_completes_it(tmp_path: Path) -> None:
    async def retried(world: World) -> None:
        # The plan is the recorded one: what it was made for is the state before.
        plan = await _second_plan(tmp_path)
        assert await world.apply("two", plan) == 2
        world.holds(*SECOND)
        assert world.changes == [(1, "provision"), (2, "provision")]
        assert await world.roll_back("two")
        world.holds(*FIRST)

    assert await _at_every_moment(tmp_path, _provision, retried) > 20


async def _second_plan(tmp_path: Path) -> Plan:
    world = World(tmp_path / "plan")
    if not world.folder.exists():
        await world.provision("one", *FIRST)
    return await world.plan(*SECOND)


async def test_killed_anywhere_in_provisioning_rolling_back_leaves_nothing(
    tmp_path: Path,
) -> None:
    async def rolled_back(world: World) -> None:
        await world.roll_back("two")
        world.holds(*FIRST)
        await world.roll_back("two")
        world.holds(*FIRST)

    await _at_every_moment(tmp_path, _provision, rolled_back)


async def test_killed_anywhere_in_provisioning_somebody_else_goes_on(tmp_path: Path) -> None:
    async def others(world: World) -> None:
        await world.provision("others", resource("theirs"))
        world.holds(resource("theirs"))

    await _at_every_moment(tmp_path, _provision, others)


async def test_killed_anywhere_in_rolling_back_the_retry_completes_it(tmp_path: Path) -> None:
    async def retried(world: World) -> None:
        assert await world.roll_back("two")
        world.holds(*FIRST)
        assert world.changes[2:] == [(3, "roll back")]

    await _at_every_moment(tmp_path, _roll_back, retried, _provision)


async def test_killed_anywhere_in_rolling_back_somebody_else_goes_on(tmp_path: Path) -> None:
    async def others(world: World) -> None:
        with suppress(PlanOutdatedError):  # when the rollback had begun and is finished first
            await world.provision("others", resource("theirs"))
        await world.provision("yet others", resource("theirs", size=1))
        world.holds(resource("theirs", size=1))

    await _at_every_moment(tmp_path, _roll_back, others, _provision)


async def test_killed_anywhere_in_destroying_the_retry_completes_it(tmp_path: Path) -> None:
    async def retried(world: World) -> None:
        assert await world.destroy("three") == ("disk", "files", "orders")
        world.holds()

    await _at_every_moment(tmp_path, _destroy, retried, _provision)
