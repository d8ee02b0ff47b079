"""`ntbridge store erase`: nothing of a subject is left where the bridge reaches, and the rest goes on."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import zstandard
from nats.aio.client import Client

from bridge.jetstream.reader import StreamReader
from eventstore.database import Database
from eventstore.removals import Removals
from eventstore.store import EventStore
from tests.integration.eventstore.followers import following
from tests.support import checker, publishing
from tests.support.cli import Done, ntbridge
from tests.support.daemon import LIGHT, Bridge, running
from tests.support.fixtures import bridge, client
from tests.support.waiting import eventually

__all__ = ["bridge", "client"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

SUBJECT = "person-ada"
SECRET = "lovelace"
STREAMS = ("EVENTS", "RESULTS", "REPLAY", "DEADLETTERS")


@pytest.fixture
def migrated_database_url(bridge: Bridge) -> str:
    return bridge.database_url


async def command(bridge: Bridge, *arguments: str) -> Done:
    return await ntbridge(*arguments, cwd=bridge.folder, env=bridge.environment)


async def erase(bridge: Bridge, *how: str) -> Done:
    return await command(
        bridge, "store", "erase", "--subject", SUBJECT, "--why", "she asks", "--yes", *how
    )


def unpacked(archive: Path) -> bytes:
    """All that an archive has."""
    return b"".join(
        zstandard.ZstdDecompressor().decompressobj().decompress(file.read_bytes())
        for file in archive.rglob("*.zst")
    )


def event(number: int, *, about_ada: bool) -> dict[str, Any]:
    subject = SUBJECT if about_ada else "person-bob"
    data = {"number": number, "steps": 1, "name": SECRET if about_ada else "bob"}
    return publishing.event(LIGHT, data, subject=subject, partitionkey=subject)


async def messages(bridge: Bridge, client: Client) -> dict[str, list[bytes]]:
    found = {}
    for name in STREAMS:
        stream = f"{bridge.prefix}-{name}"
        state = (await client.jetstream().stream_info(stream)).state
        reader = StreamReader(client, stream).read(
            first=state.first_seq, through=state.last_seq
        )
        found[name] = [
            (message.data or b"") + repr(message.headers).encode()
            async for _, message in reader
        ]
    return found


async def rows_with(database: Database, text: str) -> dict[str, int]:
    """By table: rows that have a text, also in bytes."""
    tables = await database.fetch(
        "select tablename as name from pg_tables where schemaname = current_schema()"
    )
    found = {}
    for table in tables:
        count = await database.fetchval(
            f"select count(*) from {table['name']} t where t::text like $1 or t::text like $2",
            f"%{text}%",
            f"%{text.encode().hex()}%",
        )
        if count:
            found[table["name"]] = count
    return found


async def publish(client: Client, bridge: Bridge, events: Sequence[dict[str, Any]]) -> None:
    for each in events:
        await publishing.structured(client, bridge, each)


async def filled(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> list[dict[str, Any]]:
    """Let events of two people pass, with a dead letter and a replay of hers; return hers."""
    bob = [event(number, about_ada=False) for number in range(2)]
    ada = [event(number, about_ada=True) for number in range(3)]
    async with running(bridge.light_worker(), bridge.daemon()):
        await publish(client, bridge, bob)
        await checker.results_arrived(bridge, 4)
        # Hers are the last on RESULTS.
        await publish(client, bridge, ada)
        await publish(client, bridge, [{**ada[0], "data": {"other": SECRET}}])
        await checker.results_arrived(bridge, 10)

        async def all_settled() -> bool:
            letters = await database.fetchval(
                "select count(*) from dead_letters where notified_at is not null"
            )
            runs = await database.fetchval("select count(*) from runs where state = 'open'")
            relayed = await database.fetchval(
                "select position from checkpoints where name = 'relay'"
            )
            return (letters, runs) == (1, 0) and relayed >= await store.head()

        await eventually(all_settled, within=120)
    copied = await command(bridge, "replay", "--to-nats", "--subject", SUBJECT, "--yes")
    assert copied.code == 0, copied.err
    before = await messages(bridge, client)
    assert all(any(SECRET.encode() in each for each in before[name]) for name in STREAMS[:1])
    return ada


@pytest.mark.parametrize("archived", [False, True], ids=["in the log", "in an archive"])
async def test_nothing_of_the_subject_is_left_and_the_relay_does_not_go_back(
    bridge: Bridge,
    client: Client,
    database: Database,
    store: EventStore,
    tmp_path: Path,
    *,
    archived: bool,
) -> None:
    ada = await filled(bridge, client, database, store)
    archive = tmp_path / "archive"
    if archived:
        # Then the log does not know any more whom an event is about.
        await database.execute("update dead_letters set state = 'dropped', closed_at = now()")
        pruned = await command(
            bridge,
            *("store", "prune", "--older-than", "0s", "--archive", archive.as_uri(), "--yes"),
            *("--attribute", "subject", "--attribute", "partitionkey"),
        )
        assert pruned.code == 0, pruned.err
        assert SECRET.encode() in unpacked(archive)
    dry = await erase(bridge, "--dry-run")
    assert f"{0 if archived else 3} events in the log have this subject" in dry.err
    done = await erase(bridge, "--chains")
    assert done.code == 0, done.err
    (row,) = done.rows
    assert row["letters"] == 1
    assert row["dispatches"] == 3
    assert row["archived"] == (9 if archived else 0)
    assert set(row["messages"]) == {f"{bridge.prefix}-{name}" for name in STREAMS}
    assert any("runs in the Temporal namespace" in said for said in row["remarks"])
    assert any("subject in their names" in said for said in row["remarks"])

    assert await rows_with(database, SECRET) == {}
    assert SECRET.encode() not in unpacked(archive)
    left = await messages(bridge, client)
    assert not [each for name in STREAMS for each in left[name] if SECRET.encode() in each]
    # What is left of the subject are names: of streams, of a workflow, in what a replay was asked for.
    kept = {"events", "dispatches", "replays", "audit"}
    assert set(await rows_with(database, SUBJECT)) <= kept
    assert len(left["EVENTS"]) == 2
    assert len(left["RESULTS"]) == 4
    (noted,) = await Removals(database).latest(1)
    assert (noted.kind, noted.why, noted.events) == ("erased", "she asks", row["events"])
    assert SUBJECT not in str(noted.selection)

    # The relay goes on after what was erased; a repeat is recognised.
    async with running(bridge.light_worker(), bridge.daemon()):
        await publish(client, bridge, [ada[1], event(9, about_ada=False)])

        async def relayed_again() -> bool:
            relayed = await database.fetchval(
                "select position from checkpoints where name = 'relay'"
            )
            # Above the checkpoint nothing is removed.
            arrived = len((await messages(bridge, client))["RESULTS"]) >= 6
            return arrived and relayed >= await store.head()

        await eventually(relayed_again, within=120)
    after = await messages(bridge, client)
    assert len(after["RESULTS"]) == 6
    verified = await command(bridge, "verify", "--grace", "0")
    assert not [each for each in verified.rows if each["kind"].startswith("result")], (
        verified.out
    )
    again = await erase(bridge)
    assert again.code == 0, again.err


async def test_while_events_come_nothing_of_others_is_lost_and_each_run_starts_once(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    # The daemon knows then whether a run has ended, and its chain with it.
    bridge = replace(bridge, closures=True)
    pairs = 25
    hers = [event(number, about_ada=True) for number in range(pairs)]
    his = [event(number, about_ada=False) for number in range(pairs)]
    erasures: list[Done] = []
    async with (
        running(bridge.light_worker(), bridge.daemon()),
        following(store) as everything,
    ):

        async def load() -> None:
            for number, pair in enumerate(zip(hers, his, strict=True), start=1):
                await publish(client, bridge, pair)
                await checker.settled(bridge, 2 * number)

        publishing_all = asyncio.create_task(load())
        while not publishing_all.done():
            erasures.append(await erase(bridge, "--chains"))
        await publishing_all

        async def all_ran() -> bool:
            # The step, the result and the closure of each run.
            emitted: int = await database.fetchval("select count(*) from events where emitted")
            open_runs = await database.fetchval(
                "select count(*) from runs where state = 'open'"
            )
            relayed: int = await database.fetchval(
                "select position from checkpoints where name = 'relay'"
            )
            return emitted == 6 * pairs and open_runs == 0 and relayed >= await store.head()

        await eventually(all_ran, within=240)
        erasures.append(await erase(bridge, "--chains"))
        end = await store.settled()
        await eventually(lambda: everything.through >= end, within=120)
    assert len(erasures) > 1
    # Some events were above the relay's checkpoint, or in use; the last one found all.
    assert {each.code for each in erasures} <= {0, 1}
    assert erasures[-1].code == 0, erasures[-1].out
    positions = [
        row[0] for row in await database.fetch("select position from events order by 1")
    ]
    assert everything.positions == positions
    assert await rows_with(database, SECRET) == {}
    left = await messages(bridge, client)
    assert not [each for name in STREAMS for each in left[name] if SECRET.encode() in each]
    assert len(left["EVENTS"]) == pairs
    assert len(left["RESULTS"]) == 3 * pairs
    starts = await database.fetch("select uid, state, count(*) from dispatches group by 1, 2")
    assert [(row["state"], row["count"]) for row in starts] == [("done", 1)] * 2 * pairs
