"""The messages for each failure: each failure is caused here and compared with the documentation.

`docs/operating.md` has the resulting table. WRITE_DOCS=1 rewrites it.
"""

import asyncio
import os
import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from bridge.sql.storage import COMPONENTS
from eventstore.migrate import EARLY, migrate
from tests.support import databases, pages
from tests.support.daemon import Bridge
from tests.support.failures import (
    Row,
    away,
    daemon_of,
    ends,
    guarded_nats,
    logged,
    not_ready,
    ready,
    row,
    started,
    waits,
)
from tests.support.outages import at
from tests.support.proxy import Proxy
from tests.support.servers import ROOT
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

DOCUMENT = ROOT / "docs" / "operating.md"
_SECTION = re.compile(r"(<!-- failures -->\n)(.*?)(<!-- end -->)", re.DOTALL)
_AT_A_TIME = 3


Case = Callable[[Bridge], Awaitable[list[Row]]]


async def test_each_failure_tells_the_operator_what_to_do(
    bridge: Bridge, migrated_template: str
) -> None:
    turn = asyncio.Semaphore(_AT_A_TIME)

    async def made(number: int, case: Case) -> list[Row]:
        server = bridge.addresses.database_url
        async with turn, databases.database(server, template=migrated_template) as url:
            folder = bridge.folder / str(number)
            folder.mkdir()
            prefix = f"{bridge.prefix}-{number}"
            own = replace(bridge, database_url=url, folder=folder, prefix=prefix)
            await own.set_up()
            return await case(own)

    found = await asyncio.gather(*(made(*each) for each in enumerate(CASES)))
    rows = [row for each in found for row in each]
    rows.sort(key=lambda row: ORDER.index(row.case))
    assert [row.case for row in rows] == ORDER
    head = ["| what | `/readyz` | says to do | log | the daemon |", "|---|---|---|---|---|"]
    table = "\n".join([*head, *(row.text() for row in rows)]) + "\n"
    document = DOCUMENT.read_text()
    written = _SECTION.sub(lambda found: f"{found[1]}{table}{found[3]}", document)
    if os.environ.get("WRITE_DOCS"):
        DOCUMENT.write_text(written)
    assert document == written, table


# Away or wrong when the daemon starts; it waits, and says for what.


async def nats_away(bridge: Bridge) -> list[Row]:
    async with away(bridge.addresses.nats_url) as (proxy, url):
        return await waits(
            at(bridge, nats_url=url),
            "NATS is down at the start",
            "nats",
            "nats.unreachable",
            proxy,
        )


async def temporal_away(bridge: Bridge) -> list[Row]:
    async with away(bridge.addresses.temporal_address) as (proxy, address):
        return await waits(
            at(bridge, temporal_address=address),
            "Temporal is down at the start",
            "temporal",
            "health.not_ready",
            proxy,
        )


async def postgres_away(bridge: Bridge) -> list[Row]:
    async with away(bridge.database_url) as (proxy, url):
        return await waits(
            replace(bridge, database_url=url),
            "Postgres is down at the start",
            "postgres",
            "daemon.waits_for_postgres",
            proxy,
        )


async def nats_refuses(bridge: Bridge) -> list[Row]:
    async with guarded_nats(bridge.folder, "bridge", "hunter2") as address:
        wrong = at(bridge, nats_url=f"nats://bridge:hunter3@{address}")
        return await waits(wrong, "NATS refuses the password", "nats", "nats.unreachable")


async def stream_missing(bridge: Bridge) -> list[Row]:
    elsewhere = replace(bridge, prefix=f"{bridge.prefix}x")
    return await waits(
        elsewhere, "a stream is missing", "source EVENTS/ntbridge", "intake.source_missing"
    )


async def namespace_missing(bridge: Bridge) -> list[Row]:
    return await waits(
        bridge,
        "Temporal's namespace is missing",
        "temporal",
        "health.not_ready",
        TEMPORAL_NAMESPACE="nowhere",
    )


# Wrong when the daemon starts, and waiting would not help: it ends.


async def password_wrong(bridge: Bridge) -> list[Row]:
    wrong = databases.with_password(bridge.database_url, "hunter2")
    return await ends(replace(bridge, database_url=wrong), "Postgres refuses the password")


async def schema_missing(bridge: Bridge) -> list[Row]:
    what = "the schema is missing or too old"
    async with databases.database(bridge.addresses.database_url) as missing:
        rows = await ends(replace(bridge, database_url=missing), what)
    async with databases.database(bridge.addresses.database_url) as old:
        await migrate(old, COMPONENTS, through=2)
        assert await ends(replace(bridge, database_url=old), what) == rows
    return rows


async def tables_early(bridge: Bridge) -> list[Row]:
    async with databases.database(bridge.addresses.database_url) as early:
        await migrate(early, COMPONENTS)
        await databases.execute(
            early, f"UPDATE schema_migrations SET digest = '{EARLY}' WHERE name = 'events'"
        )
        what = "the tables are of an early version"
        return await ends(replace(bridge, database_url=early), what)


async def routes_wrong(bridge: Bridge) -> list[Row]:
    file = bridge.folder / "wrong.yaml"
    file.write_text("routes:\n  - name: x\n    form: events.x\n")
    return await ends(
        bridge, "the routes file is wrong at the start", NTBRIDGE_ROUTES=str(file)
    )


async def port_taken(bridge: Bridge) -> list[Row]:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = str(server.sockets[0].getsockname()[1])
    try:
        return await ends(bridge, "the port of the pages is taken", NTBRIDGE_HTTP__PORT=port)
    finally:
        server.close()


ORDER = [
    "NATS is down at the start",
    "Temporal is down at the start",
    "Postgres is down at the start",
    "NATS goes down",
    "Temporal goes down",
    "Postgres goes down",
    "a stream is missing",
    "Temporal's namespace is missing",
    "NATS refuses the password",
    "Postgres refuses the password",
    "the schema is missing or too old",
    "the tables are of an early version",
    "the routes file is wrong at the start",
    "the routes file becomes wrong",
    "the port of the pages is taken",
]


async def while_it_runs(bridge: Bridge) -> list[Row]:
    """One daemon, from which one server after another is taken away and given back."""
    async with AsyncExitStack() as stack:
        servers = bridge.addresses
        nats = await stack.enter_async_context(Proxy.to(servers.nats_url))
        temporal = await stack.enter_async_context(Proxy.to(servers.temporal_address))
        postgres = await stack.enter_async_context(Proxy.to(bridge.database_url))
        routes = bridge.folder / "changing.yaml"
        routes.write_text(bridge.routes_file.read_text())
        moved = replace(
            at(
                bridge,
                nats_url=nats.through(servers.nats_url),
                temporal_address=temporal.through(servers.temporal_address),
            ),
            database_url=postgres.through(bridge.database_url),
        )
        daemon = daemon_of(moved, "running", NTBRIDGE_ROUTES=str(routes))
        await stack.enter_async_context(started(daemon))
        url = await pages.url_of(daemon.command.log)
        rows = []
        for case, check, event, proxy in (
            ("NATS goes down", "nats", "nats.disconnected", nats),
            ("Temporal goes down", "temporal", "health.not_ready", temporal),
            ("Postgres goes down", "postgres", "health.not_ready", postgres),
        ):
            await ready(url)
            start = daemon.command.log.stat().st_size
            await proxy.refuse()
            shown = await not_ready(url, check)
            log = await logged(daemon, event, start)
            await proxy.accept()
            await ready(url)
            assert daemon.running
            rows.append(
                row(case, shown, check, log, "keeps running, and recovers automatically")
            )
        start = daemon.command.log.stat().st_size
        routes.write_text("routes:\n  - name: x\n    form: events.x\n")

        async def kept() -> pages.Shown | None:
            shown = await pages.get(url, "/readyz")
            return shown if shown.check("routes")["state"] == "warning" else None

        shown = await eventually(kept)
        assert shown.status == 200, shown.body
        log = await logged(daemon, "routes.kept", start)
        case = "the routes file becomes wrong"
        return [*rows, row(case, shown, "routes", log, "keeps the old routes")]


CASES: list[Case] = [
    while_it_runs,
    nats_away,
    temporal_away,
    postgres_away,
    nats_refuses,
    stream_missing,
    namespace_missing,
    password_wrong,
    schema_missing,
    tables_early,
    routes_wrong,
    port_taken,
]
