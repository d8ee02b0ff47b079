"""`ntbridge store erase` and `store prune --rows`, killed at each of their steps and run again."""

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.aio.client import Client

from bridge.history.removal.archive import Bodies
from bridge.jetstream.reader import StreamReader
from bridge.lifecycle.crash_points import POINTS, VARIABLE
from eventstore.database import Database
from eventstore.events import NewEvent
from eventstore.prepared import StreamAppend
from eventstore.removals import Removals
from eventstore.store import EventStore
from tests.integration.history.removal.conftest import pruned
from tests.support import history
from tests.support.cli import Done, ntbridge
from tests.support.daemon import Bridge
from tests.support.fixtures import bridge, client
from tests.support.relays import passed, relaying

__all__ = ["bridge", "client"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STEPS = [point for point in POINTS if point.startswith("erasure.")]
ADA = "person-ada"
OLD = "2020-01-01T00:00:00+00:00"


@pytest.fixture
async def database(bridge: Bridge) -> AsyncIterator[Database]:
    opened = await Database.connect(bridge.database_url)
    yield opened
    await opened.close()


async def command(bridge: Bridge, point: str | None, *arguments: str) -> Done:
    env = {**bridge.environment, **({} if point is None else {VARIABLE: point})}
    return await ntbridge("store", *arguments, cwd=bridge.folder, env=env)


async def fill(store: EventStore, first: int, count: int, subject: str) -> None:
    await store.append_many(
        [
            StreamAppend(
                f"run-{number % 5}",
                [
                    NewEvent(
                        event=history.happened(number, subject=subject), topic=history.TOPIC
                    )
                ],
            )
            for number in range(first, first + count)
        ]
    )


async def on_results(bridge: Bridge, client: Client, subject: str) -> int:
    stream = f"{bridge.prefix}-RESULTS"
    state = (await client.jetstream().stream_info(stream)).state
    read = StreamReader(client, stream).read(first=state.first_seq, through=state.last_seq)
    return sum([subject.encode() in (message.data or b"") async for _, message in read])


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param(["erasure.copies", "erasure.events"], id="some"),
        pytest.param([*STEPS, "removal.batch"], id="all", marks=pytest.mark.torture),
    ],
)
async def test_an_erasure_killed_at_its_steps_is_completed(
    bridge: Bridge, client: Client, database: Database, tmp_path: Path, steps: list[str]
) -> None:
    store = EventStore(database)
    await fill(store, 1, 20, ADA)
    await fill(store, 100, 20, "person-bob")
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, await store.head())
    archive = (tmp_path / "archive").as_uri()
    await pruned(database, store, archive)  # an archive has all of them
    await fill(store, 200, 10, ADA)
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, await store.head())
    erase = ("erase", "--subject", ADA, "--why", "she asks", "--yes")
    for step in steps:
        done = await command(bridge, step, *erase)
        assert done.code == -signal.SIGKILL, (step, done.err)
    done = await command(bridge, None, *erase)
    assert done.code == 0, done.err
    assert await on_results(bridge, client, ADA) == 0
    assert await on_results(bridge, client, "person-bob") == 20
    events = [each async for each in store.read_all()]
    assert len(events) == 50
    restored = await Bodies(database).restored(events)
    with_data = [each for each in restored if each.event.data is not None]
    assert {each.event.subject for each in with_data} == {"person-bob"}
    assert len(with_data) == 20
    [erasure, _] = await Removals(database).latest(10)
    assert (erasure.kind, erasure.events) == ("erased", 30)
    assert erasure.finished_at is not None
    verified = await ntbridge(
        "verify", "--grace", "0", cwd=bridge.folder, env=bridge.environment
    )
    assert [row for row in verified.rows if row["kind"].startswith("result")] == []


async def test_rows_are_deleted_once_whenever_it_is_killed(
    bridge: Bridge, database: Database, tmp_path: Path
) -> None:
    store = EventStore(database)
    await fill(store, 1, 300, ADA)
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, await store.head())
    await pruned(database, store, (tmp_path / "archive").as_uri())
    before = [each async for each in store.read_all()]
    # The copies are as old as the rows: the rows stay, and the command says for what.
    prune = ("prune", "--rows", "--older-than", "1d", "--why", "a test", "--yes")
    done = await command(bridge, None, *prune)
    assert (done.code, done.rows[0]["removed"]) == (0, 0), done.err
    assert "has messages that old" not in done.err  # they are younger than a day
    # As if all of it had happened long ago.
    await database.execute("alter table events disable trigger user")
    await database.execute("update events set recorded_at = $1::text::timestamptz", OLD)
    await database.execute("alter table events enable always trigger events_are_immutable")
    await database.execute("alter table events enable always trigger only_bodies_are_removed")
    await database.execute(
        "alter table events enable always trigger only_tombstones_are_deleted"
    )
    killed = await command(bridge, "deletion.batch", *prune)
    assert killed.code == -signal.SIGKILL, killed.err
    done = await command(bridge, None, *prune)
    assert done.code == 0, done.err
    left = [each async for each in store.read_all()]
    assert [each.position for each in left] == [each.position for each in before[-5:]]
    [removal, *_] = await Removals(database).latest(1)
    gone = [each.position for each in before[:-5]]
    assert await Removals(database).deleted_among(gone) == frozenset(gone)
    assert removal.finished_at is not None
    verified = await ntbridge(
        "verify", "--grace", "0", cwd=bridge.folder, env=bridge.environment
    )
    assert [row for row in verified.rows if row["kind"].startswith("result")] == []
    assert "295 not checked: results whose rows were deleted" in verified.err
