"""A replay to a file: the file itself says where to go on."""

import json
import os
import resource
from pathlib import Path
from typing import Literal

import pytest

from bridge.errors import BridgeError
from bridge.history.replay.selection import Selection
from bridge.history.replay.store import Replays
from bridge.history.replay.to_file import FileRefused
from bridge.lifecycle.leadership import HeldElsewhere
from eventstore.database import Database
from eventstore.filters import Filter
from eventstore.leases import Leases
from eventstore.store import EventStore
from tests.support import history
from tests.support.history import Interrupted, copies

COUNT = 1300

Kind = Literal["ndjson", "batch"]


def content(path: str, kind: Kind) -> list[object]:
    text = Path(path).read_text(encoding="utf-8")
    return (
        json.loads(text)
        if kind == "batch"
        else [json.loads(line) for line in text.splitlines()]
    )


def cut_off(path: Path, most: int) -> None:
    os.truncate(path, max(0, path.stat().st_size - most))


@pytest.mark.parametrize("kind", ["ndjson", "batch"])
async def test_interrupted_and_cut_anywhere_it_goes_on_without_repeats(
    database: Database, store: EventStore, tmp_path: Path, kind: Kind
) -> None:
    events = await history.fill(store, COUNT)
    target = history.to_file(tmp_path, kind)
    replay = await history.begun(database, store, target)
    await history.fill(store, 3, first=COUNT + 1)  # too late to belong to it
    fresh = True
    for after in (600, 0):
        async with history.file(store, target, fresh=fresh) as opened:
            with pytest.raises(Interrupted):
                await history.run(database, store, replay, opened, interrupt_after=after)
        fresh = False
    path = Path(target.path)
    for cut in (1, 7, 100_000, 10**9):
        cut_off(path, cut)
        async with history.file(store, target) as opened:
            done = await history.run(database, store, replay, opened)
        assert done == COUNT
        assert content(target.path, kind) == copies(events, replay), f"cut by {cut}"
    assert (await Replays(database, store).get(replay.id)).state == "finished"


@pytest.mark.parametrize("kind", ["ndjson", "batch"])
async def test_a_disk_that_is_full_is_told_and_the_rest_follows(
    database: Database, store: EventStore, tmp_path: Path, kind: Kind
) -> None:
    events = await history.fill(store, COUNT)
    target = history.to_file(tmp_path, kind)
    replay = await history.begun(database, store, target)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(FileRefused, match="cannot be written: File too large"):
            async with history.file(store, target, fresh=True) as opened:
                await history.run(database, store, replay, opened)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    async with history.file(store, target) as opened:
        assert await history.run(database, store, replay, opened) == COUNT
    assert content(target.path, kind) == copies(events, replay)


async def test_what_is_in_the_way_or_another_s_is_not_touched(
    database: Database, store: EventStore, tmp_path: Path
) -> None:
    await history.fill(store, 10)
    target = history.to_file(tmp_path, "ndjson")
    one, other = [await history.begun(database, store, target) for _ in range(2)]
    async with history.file(store, target, fresh=True) as opened:
        await history.run(database, store, one, opened)
    before = content(target.path, "ndjson")
    for fresh, says in ((True, "already exists"), (False, "to another replay")):
        async with history.file(store, target, fresh=fresh) as opened:
            with pytest.raises(BridgeError, match=says):
                await history.run(database, store, other, opened)
    assert content(target.path, "ndjson") == before


async def test_a_replay_is_run_once_at_a_time(
    database: Database, store: EventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.lifecycle.leadership._PATIENCE_SECONDS", 0)
    target = history.to_file(tmp_path, "ndjson")
    replay = await history.begun(database, store, target)
    assert await Leases(database).acquire(f"replay/{replay.id}", "somebody", 60)
    async with history.file(store, target, fresh=True) as opened:
        with pytest.raises(HeldElsewhere, match="run by somebody"):
            await history.run(database, store, replay, opened)


async def test_a_condition_chooses(
    database: Database, store: EventStore, tmp_path: Path
) -> None:
    events = await history.fill(store, 60)
    selection = Selection(where=Filter(), condition="data.number % 10 == 3 && data.text != ''")
    target = history.to_file(tmp_path, "ndjson")
    replay = await history.begun(database, store, target, selection)
    chosen = [
        each for number, each in enumerate(events, 1) if number % 10 == 3 and number % 7 != 0
    ]
    assert replay.total == len(chosen)
    async with history.file(store, target, fresh=True) as opened:
        assert await history.run(database, store, replay, opened) == len(chosen)
    assert content(target.path, "ndjson") == copies(chosen, replay)
