"""Replays against what their targets bear bare; and the memory of a long one.

`replay.file`: events a second, against bare keyset pages whose rows are rendered to the same lines
and written to a file, in one loop, which is synced to disk at the end like ours. `replay.nats`: against bare `publish_async` of the same bytes
with the same headers. Ours also reads the store, keeps lease and checkpoint, and chains.
`replay.memory`: peak of this process in MB after a million events to a file; the reference is that
after the first twentieth.
"""

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import asyncpg
import msgspec
import nats
from nats.aio.client import Client

from bridge.history.replay.runner import Runner, Target
from bridge.history.replay.selection import Selection
from bridge.history.replay.store import Replay, Replays, ToFile, ToNats
from bridge.history.replay.to_file import FileTarget
from bridge.history.replay.to_nats import NatsTarget
from bridge.jetstream.connection import connect_once
from bridge.jetstream.own_streams import declare_streams, used_streams
from bridge.jetstream.stream_options import allow_batches
from bridge.settings.schema import NatsSettings, Settings
from eventstore.database import Database
from eventstore.filters import Filter
from eventstore.leases import Leases
from eventstore.store import EventStore
from tests.benchmarks.eventstore_read import MANY, PAGES, fill, peak
from tests.benchmarks.harness import Context, Row, alternate, memory_row

NAME = "replay"

EVENTS = 60_000
PUBLISHED = 20_000
SIZE = 300

_EVERYTHING = Selection(where=Filter())
_TOPIC = "benchmark.happened"


async def rows(context: Context) -> AsyncIterator[Row]:
    """All three, each over a database of its own."""
    async with context.migrated_database() as url:
        yield await to_file(url)
    async with context.migrated_database() as url:
        yield await to_nats(context, url)
    async with context.migrated_database() as url:
        yield await memory(url)


class Ground:
    """A store with events in it, and a folder for what is written."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.folder = Path(tempfile.mkdtemp(prefix="bench-replay-"))

    async def __aenter__(self) -> Self:
        self.database = await Database.connect(self.url, deadline=60)
        self.store = EventStore(self.database)
        self.raw = await asyncpg.connect(self.url)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.raw.close()
        await self.database.close()
        shutil.rmtree(self.folder)

    async def begun(self, target: ToFile | ToNats, sequence: int | None = None) -> Replay:
        """Write down a replay of everything."""
        through = await _EVERYTHING.end(self.store)
        return await Replays(self.database, self.store).begin(
            _EVERYTHING, target, through=through, total=0, sequence=sequence, who="benchmark"
        )

    async def run(self, replay: Replay, target: Target, advanced: Any = lambda _: None) -> int:
        """Run it."""
        replays, leases = Replays(self.database, self.store), Leases(self.database)
        runner = Runner(replays, self.store, leases, who="benchmark", advanced=advanced)
        return await runner.run(replay, target)

    def file(self) -> ToFile:
        """A new file."""
        return ToFile(path=str(self.folder / uuid4().hex))


async def to_file(url: str) -> Row:
    async with Ground(url) as ground:
        await fill(ground.database, EVENTS, SIZE)
        found = await alternate(lambda: replayed_to_file(ground), lambda: written(ground))
    note = f"{EVENTS} events of {SIZE} B; reference: bare keyset pages, encoded, written and synced"
    return found.row(f"{NAME}.file", unit="events/s", note=note)


async def replayed_to_file(ground: Ground) -> float:
    replay = await ground.begun(ground.file())
    assert isinstance(replay.target, ToFile)
    target = FileTarget(replay.target, ground.store, fresh=True, passed=_fail)
    started = time.perf_counter()
    count = await ground.run(replay, target)
    seconds = time.perf_counter() - started
    await target.close()
    remove(replay.target)
    return count / seconds


def remove(target: ToFile) -> None:
    """Make room for the next one."""
    Path(target.path).unlink()


async def written(ground: Ground) -> float:
    path, replay_id = ground.folder / "bare", str(uuid4())
    started = time.perf_counter()
    after = count = 0
    with path.open("wb") as file:
        while found := await ground.raw.fetch(PAGES, after):
            after = found[-1]["position"]
            count += len(found)
            file.writelines([rendered(row, replay_id) for row in found])
        # As ours does when a replay ends.
        file.flush()
        os.fsync(file.fileno())
    seconds = time.perf_counter() - started
    path.unlink()
    return count / seconds


def rendered(row: asyncpg.Record, replay_id: str) -> bytes:
    """What anybody would write: the attributes that are set, the extensions, the data as they are."""
    members: dict[str, Any] = {"specversion": "1.0", "type": row["type"]}
    members.update(msgspec.json.decode(row["envelope"]))
    if extensions := members.pop("extensions", None):
        members.update(extensions)
    for name in ("topic", "tenant", "schema_version"):
        members.pop(name, None)
    members["replayid"] = replay_id
    if row["data"] is not None:
        members["data"] = msgspec.Raw(row["data"])
    return msgspec.json.encode(members) + b"\n"


async def to_nats(context: Context, url: str) -> Row:
    settings = Settings().nats.model_copy(
        update={"url": context.addresses.nats_url, "prefix": f"b{uuid4().hex[:8]}"}
    )
    client = await nats.connect(settings.url)
    stream = settings.stream("REPLAY")
    await declare_streams(client.jetstream(), settings, used_streams(Settings()))
    await allow_batches(client, [stream])  # as ntbridge migrate does
    try:
        async with Ground(url) as ground:
            await fill(ground.database, PUBLISHED, SIZE)
            messages = await rendered_for_nats(ground, settings)

            async def ours() -> float:
                return await replayed_to_nats(ground, settings, client, stream)

            async def reference() -> float:
                return await published(client, stream, messages)

            found = await alternate(ours, reference)
    finally:
        for plan in ("EVENTS", "RESULTS", "DEADLETTERS", "REPLAY"):
            await client.jetstream().delete_stream(settings.stream(plan))
        await client.close()
    note = (
        f"{PUBLISHED} events of {SIZE} B; reference: bare publish_async, same bytes and headers"
    )
    return found.row(f"{NAME}.nats", unit="events/s", note=note)


async def replayed_to_nats(
    ground: Ground, settings: NatsSettings, client: Client, stream: str
) -> float:
    await client.jetstream().purge_stream(stream)
    own = await connect_once(settings, "benchmark")
    target = NatsTarget(
        own, settings, ToNats(subject=f"replay.{_TOPIC}"), guarded="RESULTS", passed=_fail
    )
    replay = await ground.begun(ToNats(subject=f"replay.{_TOPIC}"), await target.open())
    started = time.perf_counter()
    count = await ground.run(replay, target)
    seconds = time.perf_counter() - started
    await own.close()
    assert (await client.jetstream().stream_info(stream)).state.messages == count == PUBLISHED
    return count / seconds


Message = tuple[str, bytes, dict[str, str]]


async def rendered_for_nats(ground: Ground, settings: NatsSettings) -> list[Message]:
    """The same messages, but for the expectation, which the reference cannot name without waiting."""
    found = await ground.raw.fetch(f"{PAGES.removesuffix('LIMIT 1000')}", 0)
    subject, replay_id = settings.subject(f"replay.{_TOPIC}"), str(uuid4())
    return [
        (
            subject,
            rendered(row, replay_id).rstrip(),
            {
                "Content-Type": "application/cloudevents+json",
                "Nats-Msg-Id": f"{replay_id}/{row['position']}",
                "Ntbridge-Expected": f"{replay_id}/{row['position']}",
            },
        )
        for row in found
    ]


async def published(client: Client, stream: str, messages: list[Message]) -> float:
    js, own = client.jetstream(), uuid4().hex
    await js.purge_stream(stream)
    started = time.perf_counter()
    acks = [
        await js.publish_async(
            subject,
            payload,
            headers={**headers, "Nats-Msg-Id": own + headers["Nats-Msg-Id"][32:]},
        )
        for subject, payload, headers in messages
    ]
    await asyncio.gather(*acks)
    seconds = time.perf_counter() - started
    assert (await js.stream_info(stream)).state.messages == len(messages)
    return len(messages) / seconds


async def memory(url: str) -> Row:
    async with Ground(url) as ground:
        await fill(ground.database, MANY, SIZE)
        replay = await ground.begun(ground.file())
        assert isinstance(replay.target, ToFile)
        target = FileTarget(replay.target, ground.store, fresh=True, passed=_fail)
        count, first = 0, 0.0

        def advanced(more: int) -> None:
            nonlocal count, first
            count += more
            if not first and count >= MANY // 20:
                first = peak()

        await ground.run(replay, target, advanced)
        grown = peak()
        await target.close()
    note = f"peak after {MANY} events to a file; reference: after the first {MANY // 20}"
    return memory_row(NAME, grown, first, note=note)


def _fail(passed: object) -> None:
    raise AssertionError(passed)
