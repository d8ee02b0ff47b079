"""Migrations: numbered SQL files, forward only.

Every component (the store, and what is built on it) has a folder of ``NNNN_name.sql`` files.
Missing migrations are applied in one transaction, in the components' order, under one advisory
lock: several processes may migrate at the same time, and only the first one does the work. Applied
migrations are recorded with their digests, and a changed file is refused.
"""

import hashlib
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib import resources
from typing import Final

from typing_extensions import override

from eventstore.database import Connection, Database
from eventstore.errors import (
    ForeignTable,
    MigrationChanged,
    NotMigrated,
    SchemaTooNew,
    SchemaTooOld,
    StatementFailed,
)
from eventstore.statements import Statements

_FILE: Final = re.compile(r"^(\d{4})_([a-z0-9_]+)\.sql$")
_DEADLINE: Final = 600.0
"""Seconds for one migration: some of them rewrite tables."""
_STATEMENTS: Final = Statements("eventstore.sql.migrating")
_TAKEN: Final = frozenset({"42P07", "42710", "42723", "42P06"})
"""Duplicate table (or index, sequence, view), object, function, schema."""
EARLY: Final = "5514a944e3ce238931765e68eb284aeeb1553f004abe3cf996dfac2c2e088cea"
"""The digest of the first migration of the early releases, whose events table had other columns."""
_APART: Final = (
    "give this program its own schema (CREATE SCHEMA …, and search_path=… in the connection "
    "string) or its own database"
)


@dataclass(frozen=True, slots=True)
class Component:
    """A part of the system with its own tables.

    Attributes:
        name: The name under which its migrations are recorded.
        package: The folder of its migrations, as a package: ``eventstore.sql.migrations``. A
            ``roles.sql`` in its parent folder grants rights on its tables to the roles.
    """

    name: str
    package: str


EVENTSTORE: Final = Component("eventstore", "eventstore.sql.migrations")
"""The store's own tables; always the first component."""


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered step of a component's schema."""

    component: str
    number: int
    name: str
    sql: str = field(repr=False)

    @property
    def digest(self) -> str:
        """The SHA-256 of its text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()

    @override
    def __str__(self) -> str:
        return f"{self.component}/{self.number:04}_{self.name}"


@dataclass(frozen=True, slots=True)
class SchemaState:
    """The difference between a database's schema and this program's migrations."""

    missing: tuple[Migration, ...] = ()
    unknown: tuple[str, ...] = ()
    changed: tuple[Migration, ...] = ()
    is_early: bool = False

    @property
    def is_current(self) -> bool:
        """Whether the schema fits this program."""
        return not (self.missing or self.unknown or self.changed or self.is_early)

    def require(self) -> None:
        """Raise unless the schema fits this program.

        Raises:
            SchemaTooOld: The tables are those of an early release.
            NotMigrated: Migrations are missing.
            SchemaTooNew: The database has been migrated by a newer program.
            MigrationChanged: An applied migration differs from this program's.
        """
        self.require_forward()
        if self.missing:
            names = [str(migration) for migration in self.missing]
            raise NotMigrated(
                f"the database lacks the migrations {', '.join(names)}: run migrate", names
            )

    def require_forward(self) -> None:
        """Raise unless the database only lacks migrations, if anything."""
        if self.is_early:
            raise SchemaTooOld(
                "the tables of this database are those of an early release, which this one does not "
                "migrate: export the events with that release (ntbridge events export FILE), migrate an "
                "empty database with this one, and import them there (ntbridge events import FILE)"
            )
        if self.unknown:
            raise SchemaTooNew(
                f"the database has migrations unknown here: {', '.join(self.unknown)}; "
                "use the release of the program that applied them, or a later one"
            )
        if self.changed:
            names = ", ".join(str(migration) for migration in self.changed)
            raise MigrationChanged(f"applied migrations differ from this program's: {names}")


def migrations_of(component: Component) -> list[Migration]:
    """Return a component's migrations by number.

    Raises:
        ValueError: A file's name is not ``NNNN_name.sql``, or the numbers are not 1, 2, 3 ….
    """
    found = []
    for entry in resources.files(component.package).iterdir():
        if not entry.name.endswith(".sql"):
            continue
        name = _FILE.match(entry.name)
        if name is None:
            raise ValueError(f"not a migration's name: {component.package}/{entry.name}")
        text = entry.read_text(encoding="utf-8")
        found.append(Migration(component.name, int(name[1]), name[2], text))
    found.sort(key=lambda migration: migration.number)
    numbers = [migration.number for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise ValueError(
            f"migrations of {component.name} are not numbered 1, 2, 3 …: {numbers}"
        )
    return found


async def migrate(
    database: Database | str,
    components: Sequence[Component] = (EVENTSTORE,),
    *,
    through: int | None = None,
) -> list[Migration]:
    """Apply the missing migrations; return them in order.

    Args:
        database: The database, or a connection string of a role that may create tables.
        components: The components, in their order.
        through: The last number to apply (of each component), to migrate step by step.

    Raises:
        SchemaTooOld: The tables are those of an early release.
        SchemaTooNew: The database has been migrated by a newer program.
        MigrationChanged: An applied migration differs from this program's.
        ForeignTable: Another program's table has a needed name; nothing was changed.
        Unavailable: The server was lost; run it again.
    """
    async with _transaction(database) as connection:
        await connection.execute(_STATEMENTS["prepare"])
        await _is_prepared(connection)
        state = await _compare(connection, components)
        state.require_forward()
        wanted = [m for m in state.missing if through is None or m.number <= through]
        for migration in wanted:
            await _apply(connection, migration)
        return wanted


async def make_roles(
    database: Database | str, components: Sequence[Component] = (EVENTSTORE,)
) -> None:
    """Create the roles, and grant them the rights they need on the components' tables.

    ``ntbridge_owner`` (no login) owns the tables, ``ntbridge_app`` appends and reads,
    ``ntbridge_worker`` reads events and keeps the pipelines' patterns, ``ntbridge_reader`` reads. Needs
    a superuser, or a role that may create roles. It may be repeated.
    """
    async with _transaction(database) as connection:
        for script in role_scripts(components):
            await connection.execute(script)


def role_scripts(components: Sequence[Component] = (EVENTSTORE,)) -> list[str]:
    """Return the SQL that `make_roles` runs, one script for each component that has one."""
    scripts = []
    for component in components:
        file = resources.files(component.package.rpartition(".")[0]) / "roles.sql"
        if file.is_file():
            scripts.append(file.read_text(encoding="utf-8"))
    return scripts


def script(components: Sequence[Component] = (EVENTSTORE,)) -> str:
    """Return all migrations as one text, for operators who apply SQL with other tools."""
    parts = [
        f"-- {migration} (sha256 {migration.digest})\n{migration.sql.rstrip()}\n"
        for component in components
        for migration in migrations_of(component)
    ]
    return "\n".join(parts)


async def schema_state(
    database: Database, components: Sequence[Component] = (EVENTSTORE,)
) -> SchemaState:
    """Compare the database's schema with this program's; changes nothing.

    Raises:
        ForeignTable: Another program keeps its migrations in a table of the same name.
        Unavailable: The server cannot be reached.
    """
    async with database.connection() as connection:
        if await _is_prepared(connection):
            return await _compare(connection, components)
    return SchemaState(missing=tuple(m for c in components for m in migrations_of(c)))


async def _is_prepared(connection: Connection) -> bool:
    """Return whether migrations are recorded here; refuse another program's table of that name."""
    row = await connection.fetchrow(_STATEMENTS["described"])
    if row is not None and not row["is_ours"]:
        raise ForeignTable(
            f"{row['schema']}.schema_migrations belongs to another program (its columns are "
            f"{', '.join(row['columns'])}): {_APART}"
        )
    return row is not None


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        await connection.execute(migration.sql)
    except StatementFailed as error:
        if error.sqlstate not in _TAKEN:
            raise
        raise ForeignTable(
            f"migration {migration} needs a name that another program has taken ({error}); "
            f"nothing was changed: {_APART}"
        ) from error
    await connection.execute(
        _STATEMENTS["record"],
        migration.component,
        migration.number,
        migration.name,
        migration.digest,
    )


async def _compare(connection: Connection, components: Sequence[Component]) -> SchemaState:
    rows = await connection.fetch(_STATEMENTS["applied"], [c.name for c in components])
    applied = {(row["component"], row["number"]): row for row in rows}
    is_early = any(row["digest"] == EARLY for row in rows)
    missing, changed = [], []
    for component in components:
        for migration in migrations_of(component):
            row = applied.pop((migration.component, migration.number), None)
            if row is None:
                missing.append(migration)
            elif row["digest"] != migration.digest:
                changed.append(migration)
    unknown = [
        f"{row['component']}/{row['number']:04}_{row['name']}" for row in applied.values()
    ]
    return SchemaState(tuple(missing), tuple(unknown), tuple(changed), is_early)


@asynccontextmanager
async def _transaction(database: Database | str) -> AsyncIterator[Connection]:
    if isinstance(database, Database):
        database = database.dsn
    own = await Database.connect(
        database, size=1, deadline=_DEADLINE, application_name="eventstore-migrate"
    )
    try:
        async with own.transaction() as connection:
            yield connection
    finally:
        await own.close()
