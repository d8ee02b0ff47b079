"""What the commands make of events whose data was removed: replay, verify and rebuild."""

import json
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from bridge.jetstream.reader import StreamReader
from eventstore.database import Database
from eventstore.events import StoredEvent
from eventstore.store import EventStore
from tests.support import history
from tests.support.cli import Done, ntbridge
from tests.support.daemon import Bridge
from tests.support.fixtures import bridge, client
from tests.support.relays import passed, relaying

__all__ = ["bridge", "client"]

pytestmark = pytest.mark.slow

COUNT = 40


@pytest.fixture
def migrated_database_url(bridge: Bridge) -> str:
    return bridge.database_url


async def command(bridge: Bridge, *arguments: str) -> Done:
    return await ntbridge(*arguments, cwd=bridge.folder, env=bridge.environment)


async def prune(bridge: Bridge, *how: str) -> None:
    done = await command(bridge, "store", "prune", "--older-than", "0s", *how, "--yes")
    assert done.code == 0, done.err


async def relayed(bridge: Bridge, database: Database, store: EventStore, first: int) -> None:
    events = await history.fill(store, COUNT, first=first)
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, events[-1].position)


async def on_results(bridge: Bridge, client: Client) -> list[Any]:
    stream = f"{bridge.prefix}-RESULTS"
    info = await client.jetstream().stream_info(stream)
    reader = StreamReader(client, stream).read(
        first=info.state.first_seq, through=info.state.last_seq
    )
    return [json.loads(message.data) async for _, message in reader]


async def test_replay_verify_and_rebuild_read_archived_data_back(
    bridge: Bridge, client: Client, database: Database, store: EventStore, tmp_path: Path
) -> None:
    await relayed(bridge, database, store, 1)
    before = [each async for each in store.read_all()]
    published = await on_results(bridge, client)
    archive = (tmp_path / "archive").as_uri()
    await prune(bridge, "--archive", archive, "--why", "a test")
    pruned: list[StoredEvent] = [each async for each in store.read_all()]
    assert {each.event.data for each in pruned} == {None}
    # The copies on NATS are right, by the digest that stayed.
    right = await command(bridge, "verify", "--rebuild", "--grace", "0")
    assert (right.code, "nothing to rebuild" in right.err) == (0, True), right.err

    told = await command(bridge, "explain", "e 1", "-o", "json")
    assert told.code == 0, told.err
    [remark] = [said for said in json.loads(told.out)["remarks"] if "its data was" in said]
    assert remark.startswith("its data was pruned ")
    assert remark.endswith(f": a test (removal 1); archived at {archive}")

    without = await command(bridge, "replay", "--to-file", "without.ndjson", "--yes")
    assert without.code == 1
    assert f"{COUNT} events without data: pruned" in without.err
    assert f"(a test), archived at {archive}" in without.err
    assert "--include-archive reads it back" in without.err
    assert (bridge.folder / "without.ndjson").read_text() == ""
    whole = await command(
        bridge, "replay", "--to-file", "whole.ndjson", "--include-archive", "--yes"
    )
    assert whole.code == 0, whole.err
    lines = (bridge.folder / "whole.ndjson").read_text().splitlines()
    assert [json.loads(line)["data"] for line in lines] == [
        json.loads(each.event.data or b"") for each in before
    ]
    printed = await command(bridge, "replay", "--include-archive", "--where", "data.number < 4")
    assert [row["data"]["number"] for row in printed.rows] == [1, 2, 3]

    # An altered copy is found, and the stream is rebuilt from the archive.
    js, stream = client.jetstream(), f"{bridge.prefix}-RESULTS"
    await js.delete_msg(stream, 7)
    done = await command(bridge, "verify", "--rebuild", "--grace", "0", "--yes")
    assert done.code == 0, done.err
    assert await on_results(bridge, client) == published


async def test_a_range_without_an_archive_is_not_rebuilt(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    await relayed(bridge, database, store, 1)
    await prune(bridge, "--no-archive")
    published = await on_results(bridge, client)
    await client.jetstream().delete_msg(f"{bridge.prefix}-RESULTS", 7)
    refused = await command(bridge, "verify", "--rebuild", "--grace", "0", "--yes")
    assert refused.code == 1
    assert (
        f"the data of {COUNT} results of this range were pruned and not archived" in refused.err
    )
    assert len(await on_results(bridge, client)) == len(published) - 1
