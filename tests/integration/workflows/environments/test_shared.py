"""What workers share: locks that end with their holder, artefacts, and one object store."""

import asyncio
from pathlib import Path

import pytest

from bridge.runtime.object_store import ObjectStore
from eventstore.database import Database
from tests.support.waiting import eventually
from workflows.adapters.shared.artefacts import Artefacts
from workflows.adapters.shared.locks import SILENCE_SECONDS, exclusive
from workflows.adapters.shared.same_store import ID, SameStore
from workflows.errors import InvalidSettingError, SharedStateError

SILENCE = 0.5


async def test_one_holder_at_a_time(database: Database) -> None:
    inside: list[int] = []

    async def hold(number: int) -> None:
        async with exclusive(database, "it"):
            inside.append(number)
            assert len(inside) == 1
            await asyncio.sleep(0)
            inside.remove(number)

    await asyncio.gather(*(hold(number) for number in range(5)))


async def test_a_holder_that_says_something_keeps_the_lock(database: Database) -> None:
    async with exclusive(database, "it", silence=SILENCE) as held:
        for _ in range(4):
            await asyncio.sleep(SILENCE / 2)
            await held.check()
    async with exclusive(database, "it"):
        pass


async def test_a_frozen_holder_loses_the_lock_and_can_write_no_more(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silent(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("workflows.adapters.shared.locks.LockedSession.keep", silent)

    async def write_late() -> None:
        async with exclusive(database, "it", silence=SILENCE) as held:
            async with exclusive(database, "it"):
                pass  # the server has ended the silent session
            late = ("staging", "", "late", True)
            await held.execute("close_key", *late)

    with pytest.raises(SharedStateError):
        await write_late()
    rows = await database.fetch("select * from environment_closed_keys")
    assert rows == []


async def test_a_holder_that_is_cancelled_twice_frees_the_lock(database: Database) -> None:
    holds = asyncio.Event()

    async def hold() -> None:
        async with exclusive(database, "it"):
            holds.set()
            await asyncio.Event().wait()

    holding = asyncio.create_task(hold())
    await holds.wait()
    holding.cancel()
    await asyncio.sleep(0)
    holding.cancel()
    await asyncio.wait({holding})
    async with asyncio.timeout(SILENCE_SECONDS / 2), exclusive(database, "it"):
        pass


async def test_an_artefact_is_known_by_its_digest(tmp_path: Path) -> None:
    artefacts = Artefacts(ObjectStore.open(str(tmp_path)))
    digest = await artefacts.put(b"one")
    assert await artefacts.put(b"one") == digest
    assert await artefacts.get(digest) == b"one"
    with pytest.raises(SharedStateError, match="do all workers use the same"):
        await artefacts.get("0" * 64)
    (tmp_path / "sha256" / digest[:2] / digest).write_bytes(b"two")
    with pytest.raises(SharedStateError, match="was changed"):
        await artefacts.get(digest)


@pytest.fixture
def stores(tmp_path: Path) -> tuple[ObjectStore, ObjectStore]:
    return ObjectStore.open(str(tmp_path / "a")), ObjectStore.open(str(tmp_path / "b"))


async def test_a_worker_with_another_store_is_refused(
    database: Database, stores: tuple[ObjectStore, ObjectStore]
) -> None:
    ours, other = stores
    await asyncio.gather(*(SameStore(database, ours, f"w{n}").start() for n in range(4)))
    with pytest.raises(InvalidSettingError, match="is not the object store of the other"):
        await SameStore(database, other, "late").start()
    await other.put(ID, await ours.get(ID))
    await SameStore(database, other, "late").start()


async def test_locks_wait_for_each_other_by_name(database: Database) -> None:
    begun = asyncio.Event()

    async def second() -> None:
        async with exclusive(database, "one"):
            begun.set()

    async with exclusive(database, "one"):
        async with exclusive(database, "two"):
            waiting = asyncio.create_task(second())
        assert not begun.is_set()
    await eventually(begun.is_set)
    await waiting
