"""Only a removal may change a recorded event, only by taking its body, and only the owner may call it."""

import secrets
from collections.abc import AsyncIterator

import pytest

from eventstore.database import Connection, Database
from eventstore.errors import Immutable, NotAdmitted
from eventstore.events import StoredEvent
from eventstore.migrate import make_roles
from eventstore.removals import BATCH_MILLISECONDS, Removal, Removals
from eventstore.store import EventStore
from tests.support.databases import execute
from tests.unit.eventstore.builders import new_event

REMOVE = "select looked, removed from remove_bodies($1, $2, $3, $4, $5, $6)"
EXTENSIONS: dict[str, str | int | bool] = {"partitionkey": "ada", "hops": 3}


async def begun(database: Database, kind: str = "erased") -> Removal:
    return await Removals(database).begin(
        "pruned" if kind == "pruned" else "erased", {}, who="x", why="y", after=0, through=10
    )


async def remove(
    database: Database,
    removal: Removal,
    *,
    keep: list[str] | None = None,
    drop: tuple[str, ...] = (),
) -> list[int]:
    digests = await Removals(database).digests(range(1, 11))
    row = await database.fetchrow(
        REMOVE,
        removal.id,
        list(digests),
        list(digests.values()),
        keep,
        list(drop),
        BATCH_MILLISECONDS,
    )
    assert row is not None
    return list(row["removed"])


async def only(store: EventStore) -> StoredEvent:
    [stored] = [each async for each in store.read_all()]
    return stored


async def test_attributes_go_by_name_or_but_for_names(
    store: EventStore, database: Database
) -> None:
    new = new_event("1", subject="ada", extensions=EXTENSIONS, topic="a.b", correlation_id="c")
    await store.append("a-1", [new])
    pruned = await begun(database, "pruned")
    assert await remove(database, pruned, drop=("subject", "partitionkey")) == [1]
    left = await only(store)
    assert (left.event.data, left.event.subject, left.topic) == (None, None, "a.b")
    assert left.event.extensions == {"hops": 3}
    assert (left.removal, left.correlation_id) == (pruned.id, "c")
    # A second prune takes nothing; an erasure takes what is left.
    assert await remove(database, await begun(database, "pruned")) == []
    erased = await begun(database)
    assert await remove(database, erased, keep=["id", "hops"]) == [1]
    left = await only(store)
    assert (left.event.id, left.event.source, left.topic) == ("1", "", None)
    assert left.event.extensions == {"hops": 3}
    assert left.removal == erased.id
    assert await remove(database, await begun(database)) == []


async def test_an_event_with_another_digest_keeps_its_body(
    store: EventStore, database: Database
) -> None:
    await store.append("a-1", [new_event("1")])
    removal = await begun(database)
    row = await database.fetchrow(REMOVE, removal.id, [1], [b"x" * 32], None, [], 60)
    assert row is not None
    assert (row["looked"], row["removed"]) == (1, [])
    assert (await only(store)).event.data == b'{"n":1}'


FORGED = [
    "data = ''",
    "data = null, removal = 1, digest = sha256('x')",
    "data = null, removal = 1, stream = 'b-1'",
    "data = null, removal = 1, version = 7",
    "data = null, removal = 1, uid = gen_random_uuid()",
    "data = null, removal = 1, recorded_at = now()",
    "data = null, removal = 1, correlation_uid = gen_random_uuid()",
    'data = null, removal = 1, envelope = \'{"id": "other"}\'',
    'data = null, removal = 1, envelope = \'{"id": "1", "subject": "new"}\'',
    'data = null, removal = 1, envelope = \'{"extensions": {"hops": 4}}\'',
    "data = null, removal = 99",
    "data = null",
    "removal = 1",
]


@pytest.mark.parametrize("change", FORGED)
async def test_even_within_a_removal_nothing_else_can_be_changed(
    store: EventStore, database: Database, change: str
) -> None:
    await store.append("a-1", [new_event("1", extensions=EXTENSIONS)])
    before = await only(store)
    removal = await begun(database)
    assert removal.id == 1
    async with database.connection() as connection:
        for replica in ("origin", "replica"):
            await connection.execute(f"set session_replication_role = {replica}")
            await connection.execute("set eventstore.removal = '1'")
            with pytest.raises(Immutable):
                await connection.execute(f"update events set {change}")
            with pytest.raises(Immutable):
                await connection.execute("delete from events")
        connection.terminate()
    assert await only(store) == before


async def test_a_finished_removal_removes_nothing_more_and_stays_as_it_is(
    store: EventStore, database: Database
) -> None:
    await store.append("a-1", [new_event("1")])
    removal = await begun(database)
    await Removals(database).finish(removal, ["nothing"])
    with pytest.raises(Immutable):
        await remove(database, removal)
    for change in (
        "update removals set who = 'other'",
        "update removals set finished_at = null",
        "delete from removals",
        "truncate removals cascade",
    ):
        with pytest.raises(Immutable, match="audit"):
            await database.execute(change)


@pytest.fixture
async def app(store_url: str) -> AsyncIterator[Database]:
    """The database as the daemon's role has it."""
    await make_roles(store_url)
    name = f"login_{secrets.token_hex(4)}"
    await execute(store_url, f"create role {name} login password '{name}'")
    await execute(store_url, f"grant ntbridge_app to {name}")
    head, _, tail = store_url.partition("://")
    opened = await Database.connect(f"{head}://{name}:{name}@{tail.partition('@')[2]}")
    yield opened
    await opened.close()
    await execute(store_url, f"drop owned by {name}; drop role {name}")


async def test_the_application_s_role_may_read_removals_and_not_remove(
    app: Database, database: Database
) -> None:
    await EventStore(app).append("a-1", [new_event("1")])
    removal = await begun(database)
    assert [each.id for each in await Removals(app).latest(5)] == [removal.id]
    with pytest.raises(NotAdmitted, match="permission denied"):
        await begun(app)
    with pytest.raises(NotAdmitted, match="permission denied"):
        await remove(app, removal)
    assert await _still_there(app)


async def _still_there(database: Database | Connection) -> bool:
    return bool(await database.fetchval("select data is not null from events"))
