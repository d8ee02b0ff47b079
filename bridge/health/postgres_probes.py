"""Probes of Postgres and the tables. Each has a time limit and returns a problem, never raises."""

import asyncio
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import msgspec

from bridge.dispatch.partitions import PARTITIONS
from bridge.health.snapshot import PauseState, Problem, ServerState, StoreState
from bridge.health.table_checks import GROWING, TableState
from bridge.lifecycle.lease_names import RELAY_CHECKPOINT
from bridge.pauses import Pauses
from bridge.settings.schema import DatabaseSettings
from bridge.sql import STATEMENTS
from bridge.sql.storage import COMPONENTS
from eventstore.database import Database, Row
from eventstore.errors import (
    EventStoreError,
    NotAdmitted,
    ReadOnly,
    SchemaError,
    SchemaTooNew,
    SchemaTooOld,
    Unavailable,
)
from eventstore.leases import Leases
from eventstore.migrate import schema_state
from eventstore.store import EventStore

_PATIENCE_SECONDS = 3.0
_MAX_COUNTED = 10_000
_MAKE_WRITABLE = (
    "promote it or switch the setting off, or point database.url (DATABASE_URL) to the "
    "primary; the daemon then connects"
)


@dataclass(frozen=True, slots=True)
class Seen:
    """The result of one probe of Postgres; see the attributes of `Snapshot`."""

    postgres: Problem | None = None
    schema: Problem | None = None
    schema_is_newer: bool = False
    server: ServerState | None = None
    store: StoreState | None = None
    now: datetime | None = None
    """The database's time."""


async def probe(database: Database, store: EventStore, settings: DatabaseSettings) -> Seen:
    """Read the server's state and the tables' counts."""
    seen = Seen()
    try:
        async with asyncio.timeout(_PATIENCE_SECONDS):
            seen = await _probe_server(database, settings)
            seen = replace(seen, store=await _probe_tables(database, store))
    except TimeoutError:
        what = f"{settings.shown_url}: no answer within {_PATIENCE_SECONDS:g} s"
        return replace(
            seen, postgres=Problem(what, "check Postgres and the network in between")
        )
    except SchemaError as error:
        return replace(seen, schema=_schema_problem(error))
    except EventStoreError as error:
        return replace(seen, postgres=seen.postgres or postgres_problem(settings, error))
    return seen


def postgres_problem(settings: DatabaseSettings, error: EventStoreError) -> Problem:
    """Return the problem behind a failure of Postgres, and its remedy."""
    where = f"{settings.shown_url}: {error}"
    if isinstance(error, NotAdmitted):
        return Problem(
            where,
            "correct user, password or database in database.url (DATABASE_URL), or allow them in "
            "Postgres; a running daemon then connects",
        )
    if isinstance(error, ReadOnly):
        return Problem(where, _MAKE_WRITABLE)
    if isinstance(error, Unavailable):
        return Problem(
            where,
            "start Postgres, or correct database.url (DATABASE_URL); the daemon then connects, "
            "and NATS keeps the messages until then",
        )
    return Problem(where, "see the server's log")


async def _probe_server(database: Database, settings: DatabaseSettings) -> Seen:
    began = datetime.now(UTC)
    row = await database.fetchrow(STATEMENTS["server_state"])
    if row is None:
        return Seen(Problem("the server returned no state", "see the server's log"))
    here = began + (datetime.now(UTC) - began) / 2
    server = ServerState(
        version=row["version"],
        connections=row["connections"],
        usable=row["usable"],
        xid_age=row["xid_age"],
        without_standby=row["without_standby"],
        skew_seconds=(row["now"] - here).total_seconds(),
    )
    seen = Seen(_read_only(row, settings), server=server, now=row["now"])
    try:
        (await schema_state(database, COMPONENTS)).require()
    except SchemaTooNew as error:
        return replace(seen, schema=_schema_problem(error), schema_is_newer=True)
    return seen


def _read_only(row: Row, settings: DatabaseSettings) -> Problem | None:
    if not row["in_recovery"] and not row["read_only"]:
        return None
    reason = (
        "it is a standby (pg_is_in_recovery)"
        if row["in_recovery"]
        else "its transactions are read-only (default_transaction_read_only)"
    )
    return Problem(
        f"{settings.shown_url} accepts no writes: {reason}",
        _MAKE_WRITABLE,
    )


def _schema_problem(error: SchemaError) -> Problem:
    if isinstance(error, SchemaTooNew):
        return Problem(str(error), "upgrade ntbridge to the release that migrated the database")
    if isinstance(error, SchemaTooOld):
        return Problem(str(error), "use an empty database, and import the events")
    return Problem(str(error), "run 'ntbridge migrate'")


async def _probe_tables(database: Database, store: EventStore) -> StoreState | None:
    row = await database.fetchrow(STATEMENTS["look"], RELAY_CHECKPOINT, _MAX_COUNTED)
    if row is None:
        return None
    fence = await store.fence_status()
    holders = [each for each in fence.holders if each.seconds is not None]
    oldest = max(holders, key=lambda each: each.seconds or 0.0, default=None)
    return StoreState(
        open=row["open"],
        waiting=row["waiting"],
        queued=row["queued"],
        queues=msgspec.json.decode(row["queues"]),
        slots=msgspec.json.decode(row["slots"]),
        gathering=row["gathering"],
        windows=row["windows"],
        window_delay=max(0.0, row["overdue"]),
        unsettled=msgspec.json.decode(row["unsettled"]),
        oldest=row["oldest"],
        letters=msgspec.json.decode(row["letters"]),
        relay_positions=row["behind"],
        relay_seconds=row["oldest_result"],
        fence_seconds=0.0 if oldest is None else oldest.seconds or 0.0,
        fence_holder="" if oldest is None else f"{oldest.application} (pid {oldest.pid})",
        leases=await Leases(database).held(""),
        free_seconds=await database.fetchval(STATEMENTS["free_partitions"], PARTITIONS),
        pauses=tuple(
            PauseState(**msgspec.structs.asdict(each), shown=each.shown)
            for each in (await Pauses(database).held()).all
        ),
        tables=tuple(
            TableState(**dict(each))
            for each in await database.fetch(STATEMENTS["table_sizes"], list(GROWING))
        ),
    )
