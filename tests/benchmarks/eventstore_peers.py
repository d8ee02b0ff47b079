"""The store beside two others on the same server: `eventsourcing` (its Postgres recorder) and message-db.

Each is installed into a temporary folder when this runs (pip, npm); one that cannot be had is left
out, with a line that says so. 100-byte payloads, streams of their own, events a second, the server's
ordinary durability. Who reads gets, from each of them, an object for an event, its payload parsed.
"""

import asyncio
import importlib
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, ClassVar, Protocol
from urllib.parse import unquote, urlsplit
from uuid import UUID, uuid4

import asyncpg
import msgspec

from eventstore.database import Database
from eventstore.filters import Filter
from eventstore.reader import EVERYTHING
from eventstore.store import EventStore
from tests.benchmarks.eventstore_append import Ours, Shape
from tests.benchmarks.harness import Context, Row, alternate

NAME = "eventstore.peers"

SHAPES = [
    Shape(1, 1, 400, 100),
    Shape(1, 100, 40, 100),
    Shape(8, 1, 200, 100),
    Shape(8, 100, 10, 100),
]
READ = 30_000
STATE = b'{"a":"%s"}' % (b"x" * 92)


class Peer(Protocol):
    """Another store."""

    name: str

    async def append(self, shape: Shape) -> float: ...

    async def read_all(self) -> float: ...

    async def close(self) -> None: ...


async def rows(context: Context) -> AsyncIterator[Row]:
    with tempfile.TemporaryDirectory() as folder:
        for kind, install in ((Recorder, install_recorder), (MessageDb, install_message_db)):
            with left_out(kind.name):
                install(Path(folder))
                async for row in against(kind, context, Path(folder)):
                    yield row


async def against(
    kind: "type[Recorder | MessageDb]", context: Context, folder: Path
) -> AsyncIterator[Row]:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(context.migrated_database())
        other = await stack.enter_async_context(context.database())
        database = await Database.connect(url)
        stack.push_async_callback(database.close)
        store = EventStore(database)
        peer: Peer = await kind.open(other, folder)
        stack.push_async_callback(peer.close)
        ours = Ours(store)
        for shape in SHAPES:
            compared = await alternate(
                lambda shape=shape: ours.measure(shape),  # type: ignore[misc]
                lambda shape=shape: peer.append(shape),  # type: ignore[misc]
            )
            yield compared.row(
                f"{NAME}.{kind.name}.append.{shape.name}", unit="events/s", note=kind.name
            )
        fill = Shape(1, 100, READ // 100, 100)
        await ours.measure(fill)
        await peer.append(fill)
        # Each gets its good plan: without statistics, a peer's function reads a tenth as fast.
        await database.execute("ANALYZE")
        analyst = await asyncpg.connect(other)
        await analyst.execute("ANALYZE")
        await analyst.close()
        compared = await alternate(lambda: read_parsed(store), peer.read_all)
        yield compared.row(f"{NAME}.{kind.name}.read", unit="events/s", note=kind.name)
        if isinstance(peer, MessageDb):
            compared = await alternate(
                lambda: read_parsed(store, Filter(category="own")), peer.read_category
            )
            yield compared.row(
                f"{NAME}.{kind.name}.read-category",
                unit="events/s",
                note=f"{kind.name}, by the function that it offers for it, its table analysed",
            )


async def read_parsed(store: EventStore, where: Filter = EVERYTHING) -> float:
    started = time.perf_counter()
    count = 0
    async for stored in store.read_all(where=where):
        msgspec.json.decode(stored.event.data or b"null")
        count += 1
    return count / (time.perf_counter() - started)


@contextmanager
def left_out(name: str) -> Iterator[None]:
    try:
        yield
    except (
        OSError,
        subprocess.CalledProcessError,
        ImportError,
        asyncpg.PostgresError,
    ) as error:
        print(f"{NAME}: {name} is left out: {error}", file=sys.stderr)  # noqa: T201


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=300)


def install_recorder(folder: Path) -> None:
    target = str(folder / "python")
    packages = ("eventsourcing>=9.5,<10", "psycopg[binary,pool]")
    run(sys.executable, "-m", "pip", "install", "--quiet", "--target", target, *packages)
    sys.path.append(target)


def install_message_db(folder: Path) -> None:
    package = "@eventide/message-db"
    run("npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder / "node"), package)


class Recorder:
    """`eventsourcing`: blocking calls, a thread a writer."""

    name = "eventsourcing"

    def __init__(self, datastore: Any, recorder: Any, stored: Any) -> None:
        self._datastore, self._recorder, self._stored = datastore, recorder, stored
        self._threads = ThreadPoolExecutor(8)

    @classmethod
    async def open(cls, url: str, _folder: Path) -> "Recorder":
        postgres = importlib.import_module("eventsourcing.postgres")
        persistence = importlib.import_module("eventsourcing.persistence")
        parts = urlsplit(url)
        datastore = postgres.PostgresDatastore(
            dbname=parts.path[1:],
            host=parts.hostname,
            port=str(parts.port),
            user=parts.username,
            password=unquote(parts.password or ""),
            pool_size=8,
            max_overflow=0,
        )
        recorder = postgres.PostgresApplicationRecorder(datastore)
        recorder.create_table()
        return cls(datastore, recorder, persistence.StoredEvent)

    async def append(self, shape: Shape) -> float:
        work = [
            [self._events(shape.batch) for _ in range(shape.calls)]
            for _ in range(shape.writers)
        ]
        loop = asyncio.get_running_loop()
        started = time.perf_counter()
        await asyncio.gather(
            *[loop.run_in_executor(self._threads, self._write, calls) for calls in work]
        )
        return shape.total / (time.perf_counter() - started)

    async def read_all(self) -> float:
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._read)

    async def close(self) -> None:
        self._datastore.close()
        self._threads.shutdown()

    def _events(self, batch: int) -> list[Any]:
        stream = uuid4()
        return [self._stored(stream, n, "benchmark:Happened", STATE) for n in range(batch)]

    def _write(self, calls: list[list[Any]]) -> None:
        for events in calls:
            self._recorder.insert_events(events)

    def _read(self) -> float:
        started = time.perf_counter()
        count, start = 0, 1
        while found := self._recorder.select_notifications(start=start, limit=1000):
            for notification in found:
                msgspec.json.decode(notification.state)
            count += len(found)
            start = found[-1].id + 1
        return count / (time.perf_counter() - started)


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message as a client of message-db hands it out (it has none for Python)."""

    id: UUID
    stream_name: str
    type: str
    position: int
    global_position: int
    data: Any
    metadata: Any
    time: datetime


class MessageDb:
    """message-db: a function call a message, over asyncpg."""

    name = "message-db"

    FILES: ClassVar[list[str]] = [
        "schema/message-store",
        "types/message",
        "tables/messages",
        "functions/message-store-version",
        "functions/hash-64",
        "functions/acquire-lock",
        "functions/category",
        "functions/is-category",
        "functions/id",
        "functions/cardinal-id",
        "functions/stream-version",
        "functions/write-message",
        "functions/get-stream-messages",
        "functions/get-category-messages",
        "functions/get-last-stream-message",
        "indexes/messages-id",
        "indexes/messages-category",
        "indexes/messages-stream",
    ]
    WRITE = "SELECT message_store.write_message($1, $2, 'Happened', $3::jsonb)"
    READ = (
        "SELECT id, stream_name, type, position, global_position, data, metadata, time"
        " FROM message_store.messages WHERE global_position > $1 ORDER BY global_position LIMIT 1000"
    )
    """It has no function for everything: its table, read by hand."""
    READ_CATEGORY = (
        "SELECT id::uuid, stream_name, type, position, global_position, data, metadata, time"
        " FROM message_store.get_category_messages('benchmark', $1 + 1, 1000)"
    )

    def __init__(self, connections: "list[asyncpg.Connection[asyncpg.Record]]") -> None:
        self._connections = connections

    @classmethod
    async def open(cls, url: str, folder: Path) -> "MessageDb":
        base = folder / "node" / "node_modules" / "@eventide" / "message-db" / "database"
        connections = [
            await asyncpg.connect(url, server_settings={"search_path": "message_store, public"})
            for _ in range(8)
        ]
        for file in cls.FILES:
            await connections[0].execute((base / f"{file}.sql").read_text())
        return cls(connections)

    async def append(self, shape: Shape) -> float:
        started = time.perf_counter()
        await asyncio.gather(*[self._write(n, shape) for n in range(shape.writers)])
        return shape.total / (time.perf_counter() - started)

    async def read_all(self) -> float:
        return await self._read(self.READ)

    async def read_category(self) -> float:
        return await self._read(self.READ_CATEGORY)

    async def _read(self, statement: str) -> float:
        started = time.perf_counter()
        after = count = 0
        while found := await self._connections[0].fetch(statement, after):
            for uid, stream, kind, version, position, data, metadata, recorded_at in found:
                Message(
                    id=uid,
                    stream_name=stream,
                    type=kind,
                    position=version,
                    global_position=position,
                    data=msgspec.json.decode(data),
                    metadata=msgspec.json.decode(metadata) if metadata else None,
                    time=recorded_at,
                )
            after = found[-1]["global_position"]
            count += len(found)
        return count / (time.perf_counter() - started)

    async def close(self) -> None:
        for connection in self._connections:
            await connection.close()

    async def _write(self, writer: int, shape: Shape) -> None:
        connection = self._connections[writer]
        state = STATE.decode()
        for _ in range(shape.calls):
            stream = f"benchmark-{secrets.token_hex(8)}"
            messages = [(str(uuid4()), stream, state) for _ in range(shape.batch)]
            if shape.batch == 1:
                await connection.fetch(self.WRITE, *messages[0])
            else:
                async with connection.transaction():
                    await connection.executemany(self.WRITE, messages)
