"""Dead letters of earlier releases are brought into today's shape."""

from importlib import resources

from eventstore.database import Database
from eventstore.migrate import EVENTSTORE, migrate
from eventstore.store import EventStore
from tests.integration.dead_letters.builders import emit

MIGRATIONS = resources.files("bridge.sql.migrations")


async def apply(database: Database, *numbers: str) -> None:
    files = sorted(MIGRATIONS.iterdir(), key=lambda file: file.name)
    async with database.transaction() as connection:
        for file in files:
            if file.name.endswith(".sql") and file.name.startswith(numbers):
                await connection.execute(file.read_text())


async def test_letters_of_an_earlier_release(database_url: str) -> None:
    await migrate(database_url, (EVENTSTORE,))
    database = await Database.connect(database_url)
    try:
        await apply(database, "0001", "0002")
        stored = await emit(EventStore(database), 1)
        # The second one: a settlement whose first commit was taken for lost.
        await database.execute(
            "insert into dead_letters (stage, code, reason, uid, route) "
            "select 'dispatch', 'permanent', 'refused', $1::uuid, route "
            "from unnest(array['ship', 'ship', 'bill']) as route",
            stored.uid,
        )
        await database.execute(
            "insert into dead_letters (stage, code, reason) values ('intake', 'json', 'no JSON')"
        )
        await apply(database, "0003")
        rows = await database.fetch(
            "select id, generation, event_id, notified_at from dead_letters order by id"
        )
    finally:
        await database.close()
    assert [tuple(row.values()) for row in rows] == [
        (1, 1, "result-1", None),
        (3, 1, "result-1", None),
        (4, None, None, None),
    ]
