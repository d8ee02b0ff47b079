"""`ntbridge store prune --yes` by the rules of the settings, as cron runs it."""

import json
from pathlib import Path

import pytest
import yaml

from bridge.lifecycle.lease_names import REMOVAL
from eventstore.database import Database
from eventstore.leases import Leases
from eventstore.removals import Removals
from eventstore.store import EventStore
from tests.integration.history.removal.conftest import all_events, fill
from tests.support.cli import Done, ntbridge
from tests.support.daemon import Bridge
from tests.support.fixtures import bridge

__all__ = ["bridge"]

pytestmark = pytest.mark.slow


@pytest.fixture
def migrated_database_url(bridge: Bridge) -> str:
    return bridge.database_url


def parts_in(archive: Path) -> int:
    """How many parts all manifests of an archive list."""
    manifests = list(archive.rglob("manifest.json"))
    return sum(len(json.loads(each.read_text())["parts"]) for each in manifests)


async def test_cron_prunes_by_policy_and_repeats_change_nothing(
    bridge: Bridge, database: Database, store: EventStore, folder: str, tmp_path: Path
) -> None:
    await fill(store, 20, stream="order", subject="ada@example.com")
    await fill(store, 10, stream="invoice", subject="ada@example.com")
    file = tmp_path / "ntbridge.yaml"
    retention = {
        "archive": folder,
        "events": [
            {"category": "invoice", "older_than": "2555d"},
            {"older_than": "1ms", "attributes": ["subject"]},
        ],
        "rows": "730d",
    }
    file.write_text(yaml.safe_dump({"retention": retention}))

    async def prune(*flags: str) -> Done:
        return await ntbridge(
            *("store", "prune", "--config", str(file), "-o", "ndjson", *flags),
            cwd=bridge.folder,
            env=bridge.environment,
        )

    unsure = await prune()  # standard input is no terminal
    assert (unsure.code, "Give --yes to confirm" in unsure.err) == (2, True), unsure.err
    done = await prune("--yes")
    assert done.code == 0, done.err
    shown = [(row["kind"], row["category"], row["removed"]) for row in done.rows]
    assert shown == [("pruned", "invoice", 0), ("pruned", None, 20), ("deleted", None, 0)]
    events = await all_events(store)
    assert {each.event.subject for each in events if each.removal} == {None}
    assert [each.stream for each in events if each.removal is None] == ["invoice-0"] * 10
    noted = await Removals(database).latest(10)
    assert {each.why for each in noted} == {"the policy retention"}
    assert parts_in(Path(folder.removeprefix("file://"))) == 1
    again = await prune("--yes")
    assert [row["removed"] for row in again.rows] == [0, 0, 0]

    # One at a time.
    assert await Leases(database).acquire(REMOVAL, "another", 600.0) is not None
    refused = await prune("--yes")
    assert refused.code == 1, refused.err
    assert "removal is already being run by another" in refused.err
