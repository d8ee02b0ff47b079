"""`ntbridge replay` as people use it: counted, asked, interrupted, killed, resumed."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from bridge.cloudevents.codec import to_json
from bridge.jetstream.reader import StreamReader
from eventstore.database import Database
from eventstore.events import StoredEvent
from eventstore.store import EventStore
from tests.support import history
from tests.support.cli import NTBRIDGE, environment, following, ntbridge
from tests.support.daemon import Bridge
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

COUNT = 1500
RESUME = re.compile(r"--resume ([0-9a-f-]{36})")


async def killed(bridge: Bridge, *arguments: str, when: Any) -> str:
    """Run a command, kill it when something has become so, and return the replay's id."""
    process = await asyncio.create_subprocess_exec(
        *NTBRIDGE,
        *arguments,
        cwd=bridge.folder,
        env=environment(bridge.environment),
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        await eventually(when, within=60)
    finally:
        process.kill()
        _, said = await process.communicate()
    found = RESUME.search(said.decode())
    assert found, said.decode()
    return found.group(1)


def as_copies(events: list[StoredEvent], replay: str) -> list[dict[str, Any]]:
    plain = [json.loads(to_json(each.event)) for each in events]
    return [{**each, "replayid": replay} for each in plain]


async def test_killed_and_interrupted_it_is_resumed_without_repeats(
    bridge: Bridge, client: Client, database: Database, store: EventStore, tmp_path: Path
) -> None:
    events = await history.fill(store, COUNT)
    env = bridge.environment
    asked = await ntbridge("replay", "--to-nats", cwd=tmp_path, env=env)
    assert asked.code == 2
    assert f"{COUNT} events selected" in asked.err
    assert "Give --yes" in asked.err
    tried = await ntbridge("replay", "--to-nats", "--dry-run", cwd=tmp_path, env=env)
    assert (tried.code, await database.fetchval("select count(*) from replays")) == (0, 0)

    js, stream = client.jetstream(), f"{bridge.prefix}-REPLAY"
    paced = ("replay", "--yes", "--rate", "800")

    async def some_are_there() -> bool:
        return (await js.stream_info(stream)).state.messages > COUNT // 3

    to_nats = await killed(bridge, *paced, "--to-nats", when=some_are_there)
    file = tmp_path / "history.ndjson"
    async with following(*paced, "--to-file", str(file), cwd=tmp_path, env=env) as writing:
        said = await writing.said("--resume")
        await eventually(lambda: file.exists() and file.stat().st_size > 0, within=60)
        interrupted = await writing.interrupt()
    found = RESUME.search(said)
    assert found
    to_file = found.group(1)
    assert interrupted.code == 130
    assert f"continue with: ntbridge replay --resume {to_file}" in interrupted.err

    for replay in (to_nats, to_file):
        done = await ntbridge("replay", "--resume", replay, cwd=tmp_path, env=env)
        assert done.code == 0, done.err
        assert f"{COUNT} events replayed" in done.err
        again = await ntbridge("replay", "--resume", replay, cwd=tmp_path, env=env)
        assert (again.code, "is finished" in again.err) == (0, True)
    last = (await js.stream_info(stream)).state.last_seq
    messages = StreamReader(client, stream).read(through=last)
    published = [json.loads(message.data) async for _, message in messages]
    assert published == as_copies(events, to_nats)
    written = file.read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in written] == as_copies(events, to_file)
    unknown = await ntbridge("replay", "--resume", str(events[0].uid), cwd=tmp_path, env=env)
    assert (unknown.code, "does not exist" in unknown.err) == (1, True)
