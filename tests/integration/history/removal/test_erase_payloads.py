"""`ntbridge store erase` reaches the large arguments that the bridge stored for its calls."""

from dataclasses import replace
from pathlib import Path

import pytest
from nats.aio.client import Client

from eventstore.database import Database
from eventstore.store import EventStore
from tests.integration.daemon.test_large_payloads import SIGNALLED, STARTED, write_routes
from tests.support import checker
from tests.support.cli import ntbridge
from tests.support.daemon import Bridge, running
from tests.support.fixtures import bridge, client
from tests.support.publishing import event, structured
from tests.support.waiting import eventually

__all__ = ["bridge", "client"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ADA = {"subject": "person-ada"}
ADDRESS = "https://files.example.com/claims/4711"


@pytest.fixture
def migrated_database_url(bridge: Bridge) -> str:
    return bridge.database_url


async def test_the_large_arguments_of_start_and_signal_go(
    bridge: Bridge, client: Client, database: Database, store: EventStore, tmp_path: Path
) -> None:
    bridge = replace(bridge, closures=True)
    write_routes(bridge)
    folder = tmp_path / "payloads"
    environment = {"NTBRIDGE_TEMPORAL__PAYLOADS__STORE": folder.as_uri()}
    worker = bridge._child(  # noqa: SLF001 - as `light_worker`, for another module
        "worker",
        ["tests.support.coded_worker"],
        "worker ready",
        {
            "NTBRIDGE_WORKER_MODULES": "coded",
            "NTBRIDGE_WORKER_TASK_QUEUE": bridge.task_queue,
            "NTBRIDGE_WORKER_PAYLOADS__STORE": folder.as_uri(),
        },
    )
    text, name = "lovelace " * 30_000, f"{bridge.prefix}-large"
    async with running(bridge.daemon(**environment), worker):
        await structured(client, bridge, event(STARTED, {"id": name, "text": text}, **ADA))
        await checker.results_arrived(bridge, 1)
        await structured(
            client, bridge, event(SIGNALLED, {"id": name, "text": f"{text}!"}, **ADA)
        )
        await checker.results_arrived(bridge, 2)
        await structured(
            client, bridge, event("com.example.other.v1", {}, dataref=ADDRESS, **ADA)
        )

        async def settled() -> bool:
            runs = await database.fetchval("select count(*) from runs where state = 'open'")
            relayed = await database.fetchval(
                "select position from checkpoints where name = 'relay'"
            )
            stored = await database.fetchval("select count(*) from events where not emitted")
            return (runs, stored) == (0, 3) and relayed >= await store.head()

        await eventually(settled, within=60)
    before = {path.name for path in folder.rglob("*") if path.is_file()}
    done = await ntbridge(
        *("store", "erase", "--subject", ADA["subject"], "--why", "she asks", "--yes"),
        cwd=bridge.folder,
        env={**bridge.environment, **environment},
    )
    assert done.code == 0, done.err
    (row,) = done.rows
    assert row["objects"] == 2
    assert f"the data at {ADDRESS} are the publisher's" in done.err
    assert any("addresses (dataref) name data" in said for said in row["remarks"])
    assert any("retention" in said and "days" in said for said in row["remarks"])
    assert not any(ADDRESS in said for said in row["remarks"])
    left = {path.name for path in folder.rglob("*") if path.is_file()}
    # What the worker stored is left to the rule of the bucket.
    assert len(before) - len(left) == 2
    assert left < before
