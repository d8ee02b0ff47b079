import asyncio
from pathlib import Path

import asyncpg
import pytest

from bridge.devstack.addresses import Addresses
from bridge.sql.storage import COMPONENTS
from eventstore.database import Database
from eventstore.errors import (
    ForeignTable,
    MigrationChanged,
    NotMigrated,
    SchemaTooNew,
    SchemaTooOld,
)
from eventstore.migrate import (
    EARLY,
    EVENTSTORE,
    Component,
    make_roles,
    migrate,
    migrations_of,
    role_scripts,
    schema_state,
    script,
)
from tests.support.databases import database as another_database
from tests.support.databases import execute

pytestmark = pytest.mark.slow

DESCRIPTION = """
SELECT 'column', c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod) || a.attnotnull
       || a.attidentity::text || a.attstorage::text || coalesce(pg_get_expr(d.adbin, d.adrelid), '')
FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'v', 'S')
UNION ALL SELECT 'constraint', conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = current_schema()::regnamespace
UNION ALL SELECT 'index', indexname, indexdef FROM pg_indexes WHERE schemaname = current_schema()
UNION ALL SELECT 'trigger', tgname, pg_get_triggerdef(oid) || tgenabled::text FROM pg_trigger WHERE NOT tgisinternal
UNION ALL SELECT 'function', oid::regprocedure::text, pg_get_functiondef(oid)
FROM pg_proc WHERE pronamespace = current_schema()::regnamespace AND prokind <> 'a'
UNION ALL SELECT 'view', viewname, definition FROM pg_views WHERE schemaname = current_schema()
UNION ALL SELECT 'acl', relname, coalesce(relacl::text, '') FROM pg_class
WHERE relnamespace = current_schema()::regnamespace
ORDER BY 1, 2, 3
"""


async def describe(url: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(DESCRIPTION)]
    finally:
        await connection.close()


async def test_step_by_step_equals_at_once(database_url: str, stack: Addresses) -> None:
    steps = migrations_of(EVENTSTORE)
    for step in steps:
        assert [str(done) for done in await migrate(database_url, through=step.number)] == [
            str(step)
        ]
    async with another_database(stack.database_url) as fresh:
        assert len(await migrate(fresh)) == len(steps)
        async with another_database(stack.database_url) as by_hand:
            await execute(by_hand, script())
            described = await describe(database_url)
            assert described == await describe(fresh)
            own = [row for row in described if "schema_migrations" not in f"{row[1]}"]
            assert own == await describe(by_hand)


async def test_every_component_s_tables_step_by_step_equal_those_at_once(
    database_url: str, stack: Addresses
) -> None:
    most = max(len(migrations_of(component)) for component in COMPONENTS)
    for number in range(1, most + 1):
        await migrate(database_url, COMPONENTS, through=number)
    assert await migrate(database_url, COMPONENTS) == []
    async with another_database(stack.database_url) as fresh:
        await migrate(fresh, COMPONENTS)
        assert await describe(database_url) == await describe(fresh)


async def test_many_may_migrate_at_once(database_url: str) -> None:
    results = await asyncio.gather(*[migrate(database_url) for _ in range(8)])
    assert sorted(len(result) for result in results) == [0] * 7 + [
        len(migrations_of(EVENTSTORE))
    ]


async def test_roles_may_be_made_at_once_and_again(store_url: str) -> None:
    await make_roles(store_url)
    before = await describe(store_url)
    await make_roles(store_url)
    assert await describe(store_url) == before
    assert "ntbridge_app" in role_scripts()[0]


async def test_what_is_missing_is_named(database_url: str) -> None:
    database = await Database.connect(database_url)
    state = await schema_state(database)
    with pytest.raises(NotMigrated, match="eventstore/0001_events") as refused:
        state.require()
    assert len(refused.value.missing) == len(migrations_of(EVENTSTORE))
    await migrate(database, through=2)
    state = await schema_state(database)
    assert state.missing[0].number == 3
    await migrate(database)
    state = await schema_state(database)
    state.require()
    assert state.is_current
    await database.close()


async def test_a_newer_schema_is_refused(store_url: str) -> None:
    await execute(
        store_url, "INSERT INTO schema_migrations VALUES ('eventstore', 99, 'future', 'x')"
    )
    database = await Database.connect(store_url)
    with pytest.raises(SchemaTooNew, match="eventstore/0099_future"):
        (await schema_state(database)).require()
    await database.close()
    with pytest.raises(SchemaTooNew):
        await migrate(store_url)


async def test_the_tables_of_an_early_release_are_refused_with_what_to_do(
    store_url: str,
) -> None:
    await execute(
        store_url,
        f"UPDATE schema_migrations SET digest = '{EARLY}' WHERE number = 1;"
        "INSERT INTO schema_migrations VALUES ('eventstore', 10, 'servers', 'x')",
    )
    database = await Database.connect(store_url)
    state = await schema_state(database)
    assert not state.is_current
    with pytest.raises(
        SchemaTooOld, match=r"events export FILE.*empty database.*events import"
    ):
        state.require()
    await database.close()
    with pytest.raises(SchemaTooOld):
        await migrate(store_url)


async def test_an_applied_migration_is_never_another(store_url: str) -> None:
    await execute(store_url, "UPDATE schema_migrations SET digest = 'other' WHERE number = 2")
    with pytest.raises(MigrationChanged, match="0002_append"):
        await migrate(store_url)


@pytest.fixture
def addition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Component:
    """Another component's migrations, the second of which can be broken."""
    folder = tmp_path / "addition" / "sql" / "migrations"
    folder.mkdir(parents=True)
    (folder / "0001_first.sql").write_text("CREATE TABLE added (n int);")
    (folder / "0002_second.sql").write_text("ALTER TABLE added ADD COLUMN m int;")
    (folder / "README.md").write_text("no migration")
    (folder.parent / "roles.sql").write_text("GRANT SELECT ON added TO ntbridge_reader;")
    monkeypatch.syspath_prepend(str(tmp_path))
    return Component("addition", "addition.sql.migrations")


async def test_components_bring_their_own(database_url: str, addition: Component) -> None:
    applied = await migrate(database_url, (EVENTSTORE, addition))
    assert [str(m) for m in applied][-2:] == ["addition/0001_first", "addition/0002_second"]
    assert await migrate(database_url, (EVENTSTORE, addition)) == []
    await make_roles(database_url, (EVENTSTORE, addition))
    assert "-- addition/0001_first" in script((EVENTSTORE, addition))
    database = await Database.connect(database_url)
    assert (await schema_state(database)).is_current
    await database.close()


async def test_a_failed_migration_leaves_nothing(
    database_url: str, addition: Component, tmp_path: Path
) -> None:
    broken = tmp_path / "addition" / "sql" / "migrations" / "0002_second.sql"
    broken.write_text("ALTER TABLE added ADD COLUMN n int;")
    with pytest.raises(Exception, match="already exists"):
        await migrate(database_url, (addition,))
    broken.write_text("ALTER TABLE added ADD COLUMN m int;")
    assert len(await migrate(database_url, (addition,))) == 2


@pytest.mark.parametrize("name", ["first.sql", "0003_gap.sql"])
def test_files_are_named_and_numbered(addition: Component, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "addition" / "sql" / "migrations"
    (folder / "0002_second.sql").rename(folder / name)
    with pytest.raises(ValueError, match="migration"):
        migrations_of(addition)


async def test_another_program_s_list_of_migrations_is_named_and_left_alone(
    database_url: str,
) -> None:
    await execute(database_url, "CREATE TABLE schema_migrations (version varchar PRIMARY KEY)")
    before = await describe(database_url)
    with pytest.raises(ForeignTable, match=r"public\.schema_migrations .*version.*search_path"):
        await migrate(database_url)
    database = await Database.connect(database_url)
    with pytest.raises(ForeignTable, match=r"public\.schema_migrations"):
        await schema_state(database)
    await database.close()
    assert await describe(database_url) == before
    await execute(database_url, "CREATE SCHEMA ours")
    assert await migrate(f"{database_url}&search_path=ours,public")


@pytest.mark.parametrize("kind", ["TABLE events (id int)", "VIEW leases AS SELECT 1"])
async def test_another_program_s_table_is_named_and_left_alone(
    database_url: str, kind: str
) -> None:
    await execute(database_url, f"CREATE {kind}")
    before = await describe(database_url)
    name = kind.split()[1]
    with pytest.raises(ForeignTable, match=f'"{name}" already exists.*search_path'):
        await migrate(database_url)
    assert await describe(database_url) == before
