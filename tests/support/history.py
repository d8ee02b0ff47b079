"""Histories made by hand, and replays of them in the test's own process."""

import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal

from nats.aio.client import Client

from bridge.cloudevents.codec import to_json
from bridge.history.archive_file import Archive
from bridge.history.replay.runner import Passed, Runner, Target
from bridge.history.replay.selection import Selection
from bridge.history.replay.store import Destination, Replay, Replays, ToFile, ToNats
from bridge.history.replay.to_file import FileTarget
from bridge.history.replay.to_nats import NatsTarget
from bridge.jetstream.connection import connect_once
from eventstore.database import Database
from eventstore.events import Event, NewEvent, Origin, StoredEvent
from eventstore.filters import Filter
from eventstore.leases import Leases
from eventstore.prepared import StreamAppend
from eventstore.store import EventStore
from tests.support.daemon import Bridge

TYPE = "io.example.shop.shipped.v1"
TOPIC = "results.shop.shipped"
EVERYTHING = Selection(where=Filter())

_TOGETHER = 200


def happened(number: int, **members: Any) -> Event:
    """An event of a history."""
    given: dict[str, Any] = {
        "id": f"e {number}",
        "source": "/shop",
        "type": TYPE,
        "datacontenttype": "application/json",
        "data": json.dumps({"number": number, "text": "é\n" * (number % 7)}).encode(),
        **members,
    }
    return Event(**given)


async def fill(
    store: EventStore,
    count: int,
    *,
    first: int = 1,
    origin: Origin = Origin.EMITTED,
    topic: str | None = TOPIC,
    size: int = 0,
) -> list[StoredEvent]:
    """Append so many events, each to a stream of its own, and return them.

    With a size, their data has at least so many bytes.
    """
    members = {"data": b'"' + b"x" * size + b'"'} if size else {}
    for start in range(first, first + count, _TOGETHER):
        await store.append_many(
            [
                StreamAppend(
                    f"run-{number}",
                    [NewEvent(event=happened(number, **members), origin=origin, topic=topic)],
                )
                for number in range(start, min(start + _TOGETHER, first + count))
            ]
        )
    return [stored async for stored in store.read_all()][-count:]


def copies(events: Sequence[StoredEvent], replay: Replay) -> list[dict[str, Any]]:
    """What a replay of events gives, as JSON."""
    return [{**json.loads(to_json(each.event)), "replayid": str(replay.id)} for each in events]


def early_digest(path: Path, exported: Archive) -> str:
    """The digest of an export's rows without the column that early releases did not have."""
    hasher, last = hashlib.sha256(), b"\t\\N\n"
    with path.open("rb") as file:
        file.seek(exported.begin)
        while file.tell() < exported.end:
            line = file.readline()
            assert line.endswith(last)
            hasher.update(line.removesuffix(last) + b"\n")
    return hasher.hexdigest()


class Interrupted(Exception):  # noqa: N818 - what happens, not what is wrong
    """Takes the place of a kill, where a test wants to choose the moment."""


async def begun(
    database: Database,
    store: EventStore,
    target: Destination,
    selection: Selection = EVERYTHING,
    sequence: int | None = None,
) -> Replay:
    """Write down a replay."""
    through = await selection.end(store)
    total = await selection.count(store, through)
    return await Replays(database, store).begin(
        selection, target, through=through, total=total, sequence=sequence, who="tester"
    )


async def run(
    database: Database,
    store: EventStore,
    replay: Replay,
    target: Target,
    *,
    interrupt_after: int | None = None,
) -> int:
    """Run a replay as it stands in the table by now; or until so many events are done."""
    left = interrupt_after

    def advanced(count: int) -> None:
        nonlocal left
        if left is not None:
            left -= count
            if left < 0:
                raise Interrupted

    replays = Replays(database, store)
    runner = Runner(replays, store, Leases(database), who="tester", advanced=advanced)
    return await runner.run(await replays.get(replay.id), target)


@asynccontextmanager
async def file(
    store: EventStore, target: ToFile, *, fresh: bool = False
) -> AsyncIterator[FileTarget]:
    """A file to replay to."""
    opened = FileTarget(target, store, fresh=fresh, passed=_fail)
    try:
        yield opened
    finally:
        await opened.close()


def to_file(folder: Path, kind: Literal["ndjson", "batch"]) -> ToFile:
    """Where that file is."""
    return ToFile(path=str(folder / f"history.{kind}"), format=kind)


@asynccontextmanager
async def nats(bridge: Bridge, target: ToNats) -> AsyncIterator[tuple[NatsTarget, int]]:
    """A subject to replay to, over a connection of its own, and its stream's last sequence."""
    settings = bridge.settings
    connected: Client = await connect_once(settings.nats, "test")
    opened = NatsTarget(
        connected, settings.nats, target, guarded=settings.nats.streams.results, passed=_fail
    )
    try:
        yield opened, await opened.open()
    finally:
        await connected.close()


def _fail(passed: Passed) -> None:
    raise AssertionError(passed)
