"""`ntbridge replay`: what comes out is what is stored."""

import asyncio
import json
from typing import Any

import nats
import pytest

from bridge.inspect.audit import Audit
from eventstore.database import Database
from eventstore.events import uid
from eventstore.store import EventStore
from tests.support import checker, publishing
from tests.support.cli import following, ntbridge
from tests.support.daemon import LIGHT, Bridge, running
from tests.support.databases import with_password
from tests.support.past import recorded
from tests.support.publishing import event
from tests.support.store_fixtures import database, store

__all__ = ["database", "store"]

pytestmark = pytest.mark.slow

COUNT = 3


async def fill(bridge: Bridge) -> list[dict[str, Any]]:
    """Let the bridge work on a few events; return all that is stored then."""
    client = await nats.connect(bridge.addresses.nats_url, connect_timeout=5)
    events = publishing.light_events(COUNT, steps=1)
    odd = event("io.quantum-suite.odd.one.v1", None, subject='é " %', tenant="t1", flag=True)
    del odd["data"]
    async with running(bridge.light_worker(), bridge.daemon()):
        await publishing.structured(client, bridge, odd)
        for each in events:
            await publishing.structured(client, bridge, each)
        await checker.results_arrived(bridge, 2 * COUNT)
    await client.close()
    return await checker.stored_events(bridge)


async def test_it_prints_what_is_stored_by_time_type_and_position(bridge: Bridge) -> None:
    stored = await fill(bridge)
    assert len(stored) == 1 + 3 * COUNT
    at = {row["position"]: row["recorded_at"].isoformat() for row in stored}
    middle = stored[4]["position"]
    light = next(row["position"] for row in stored if row["event"]["type"] == LIGHT)
    correlation = stored[1]["correlation_id"]
    selections: list[tuple[list[str], Any]] = [
        ([], lambda _row: True),
        (["--type", LIGHT], lambda row: row["event"]["type"] == LIGHT),
        (
            ["--type-prefix", "io.quantum-suite.light."],
            lambda row: ".light." in row["event"]["type"],
        ),
        (["--from-position", str(middle)], lambda row: row["position"] >= middle),
        (["--to-position", str(middle)], lambda row: row["position"] < middle),
        (["--since", at[middle]], lambda row: row["recorded_at"].isoformat() >= at[middle]),
        (["--until", at[middle]], lambda row: row["recorded_at"].isoformat() < at[middle]),
        (["--since", "1h"], lambda _row: True),
        (["--until", "1h"], lambda _row: False),
        (["--correlation", correlation], lambda row: row["correlation_id"] == correlation),
        (
            ["--source", publishing.SOURCE],
            lambda row: row["event"]["source"] == publishing.SOURCE,
        ),
        (["--subject", 'é " %'], lambda row: row["event"].get("subject") == 'é " %'),
        (
            ["--topic", "events.light.requested"],
            lambda row: row["topic"] == "events.light.requested",
        ),
        (["--stream", stored[-1]["stream"]], lambda row: row["stream"] == stored[-1]["stream"]),
        (["--category", "run"], lambda row: row["stream"].startswith("run-")),
        (
            ["--type", LIGHT, "--from-position", str(light), "--since", at[light]],
            lambda row: row["event"]["type"] == LIGHT and row["position"] >= light,
        ),
    ]
    runs = [
        ntbridge("replay", *flags, cwd=bridge.folder, env=bridge.environment)
        for flags, _ in selections
    ]
    for (flags, chosen), done in zip(selections, await asyncio.gather(*runs), strict=True):
        assert done.code == 0, done.err
        assert any(map(chosen, stored)) or flags == ["--until", "1h"], flags
        assert done.rows == [row["event"] for row in stored if chosen(row)], flags


async def test_copies_on_nats_are_marked_and_never_swallowed(bridge: Bridge) -> None:
    stored = await fill(bridge)
    client = await nats.connect(bridge.addresses.nats_url, connect_timeout=5)
    js = client.jetstream()
    before = len(await checker.dispatches(bridge))
    replays = [
        await ntbridge("replay", "--to-nats", cwd=bridge.folder, env=bridge.environment)
        for _ in range(2)
    ]
    ids = [done.err.rsplit("replayid ", 1)[1].split()[0] for done in replays]
    assert ids[0] != ids[1]
    for number, done in enumerate(replays):
        assert (done.code, done.out) == (0, ""), done.err
        for offset, row in enumerate(stored):
            message = await js.get_msg(
                f"{bridge.prefix}-REPLAY", number * len(stored) + offset + 1
            )
            assert message.subject == f"{bridge.prefix}.replay.{ids[number]}.{row['topic']}"
            assert json.loads(message.data or b"") == {**row["event"], "replayid": ids[number]}
    assert len(await checker.dispatches(bridge)) == before

    done = await ntbridge(
        *("replay", "--type", LIGHT, "--to-subject", "events.light.requested"),
        cwd=bridge.folder,
        env=bridge.environment,
    )
    assert done.code == 0, done.err
    async with running(bridge.daemon()):
        answered = await checker.settled(bridge, 1 + 2 * COUNT)
    # The same events as before: known, and nothing is started again.
    assert [row["verdict"] for row in answered[1 + COUNT :]] == ["repeat"] * COUNT
    assert len(await checker.dispatches(bridge)) == before
    uids = [
        str(uid(row["event"]["source"], row["event"]["id"]))
        for row in stored
        if row["event"]["type"] == LIGHT
    ]
    await checker.assert_one_run_each(bridge, bridge.light_route, uids)
    await client.close()


async def test_one_that_runs_is_stopped_and_continued(
    bridge: Bridge, database: Database, store: EventStore
) -> None:
    for each in range(COUNT):
        await recorded(store, f"order-{each}", {"number": each})

    async def replay(*flags: str) -> tuple[int, str]:
        done = await ntbridge("replay", *flags, cwd=bridge.folder, env=bridge.environment)
        return done.code, done.err

    slowly = ("replay", "--to-nats", "--rate", "0.2")
    async with following(*slowly, cwd=bridge.folder, env=bridge.environment) as one:
        number = (await one.said("--resume ")).rpartition(" ")[2].strip()
        assert await replay("--stop", number, "--why", "a full disk") == (
            0,
            f"ntbridge: stopped; to continue it: ntbridge replay --resume {number}\n",
        )
        ended = await one.ended()
    assert (ended.code, "stopped" in ended.err) == (1, True), ended.err
    entry = (await Audit(database).latest(9))[0]
    assert (entry.action, entry.reason, entry.via) == (
        "stop replay",
        "a full disk",
        "command line",
    )

    code, said = await replay("--resume", number, "--rate", "1000")
    assert code == 0, said
    for flags, expected, text in (
        (("--stop", number), 0, "finished already: 3 events of 3"),
        (("--stop", str(uid("/x", "y"))), 1, "does not exist"),
        (("--stop", number, "--to-nats"), 2, "add only --why"),
        (("--why", "alone"), 2, "--stop needs"),
    ):
        code, said = await replay(*flags)
        assert (code, text in said) == (expected, True), said


@pytest.mark.parametrize(
    ("flags", "code", "message"),
    [
        (("--since", "yesterday"), 2, "'yesterday' is not a point in time"),
        (("--to-subject", "elsewhere.x"), 1, "no stream has the subject"),
        (("--to-subject", "events.>"), 1, "is not a valid subject"),
        (("--database-url", "postgresql://127.0.0.1:1/x"), 4, "127.0.0.1:1 cannot be reached"),
    ],
)
async def test_what_cannot_be_replayed_is_told(
    bridge: Bridge, flags: tuple[str, ...], code: int, message: str
) -> None:
    client = await nats.connect(bridge.addresses.nats_url, connect_timeout=5)
    async with running(bridge.daemon()):
        await publishing.structured(client, bridge, event("io.quantum-suite.odd.one.v1"))
        await checker.settled(bridge, 1)
    await client.close()
    done = await ntbridge("replay", *flags, cwd=bridge.folder, env=bridge.environment)
    assert (done.code, done.out) == (code, ""), done.err
    assert message in done.err
    assert "Traceback" not in done.err


async def test_a_wrong_password_is_told(bridge: Bridge) -> None:
    url = with_password(bridge.environment["DATABASE_URL"], "s3cret")
    done = await ntbridge("replay", "--database-url", url, cwd=bridge.folder)
    assert (done.code, done.out) == (4, ""), done.err
    assert "password authentication failed" in done.err
    assert "s3cret" not in done.err
