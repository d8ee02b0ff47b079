from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from eventstore.copy_out import Format
from eventstore.database import Database
from eventstore.events import Event, Origin, StoredEvent
from eventstore.filters import Filter, category_of
from eventstore.paging import PAGE_BYTES
from eventstore.prepared import StreamAppend
from eventstore.store import EventStore
from eventstore.upcasting import Upcasters
from tests.unit.eventstore.builders import new_event, new_events

ROOT = new_event("root", type="io.example.chain.begun.v1")

MIXED = [
    StreamAppend("order-1", [ROOT]),
    *[
        StreamAppend(
            f"{('order', 'invoice', 'order_line')[n % 3]}-{n % 4}",
            [
                new_event(
                    f"e{n}",
                    type=f"io.example.{('orders', 'orders', 'bills')[n % 3]}.happened.v{1 + n % 2}",
                    source=f"/source/{n % 5}",
                    subject=None if n % 2 else f"subject {n % 3}",
                    topic=None if n % 3 else f"events.topic.{n % 2}",
                    tenant=None if n % 4 else "acme",
                    origin=Origin.RECEIVED if n % 7 else Origin.EMITTED,
                    extensions={"causationid": "root"} if n % 5 == 0 else None,
                    causation_uid=ROOT.event.uid if n % 5 == 0 else None,
                    correlation_id="chain" if n % 6 == 0 else None,
                    correlation_uid=ROOT.event.uid if n % 6 == 0 else None,
                )
            ],
        )
        for n in range(120)
    ],
]

FILTERS = [
    Filter(),
    Filter(type="io.example.orders.happened.v1"),
    Filter(type="no.such.type"),
    Filter(type_prefix="io.example.orders."),
    Filter(type_prefix="io."),
    Filter(type_prefix="zz"),
    Filter(stream="order-1"),
    Filter(stream="nothing-1"),
    Filter(stream="order-1", source="/source/0"),
    Filter(category="order"),
    Filter(source="/source/3"),
    Filter(subject="subject 2"),
    Filter(topic="events.topic.1"),
    Filter(tenant="acme"),
    Filter(correlation_id="chain"),
    Filter(correlation_uid=ROOT.event.uid),
    Filter(causation_id="root"),
    Filter(causation_uid=ROOT.event.uid),
    Filter(origin=Origin.EMITTED),
    Filter(type_prefix="io.example.", category="invoice", origin=Origin.RECEIVED),
    Filter(since=datetime.now(UTC) - timedelta(days=1)),
    Filter(until=datetime.now(UTC) - timedelta(days=1)),
]


@pytest.fixture
async def mixed(store: EventStore) -> EventStore:
    for append in MIXED:
        await store.append(append.stream, append.events)
    return store


async def ids(events: AsyncIterator[StoredEvent]) -> list[str]:
    return [stored.event.id async for stored in events]


async def test_every_filter_means_in_the_database_what_it_means_in_python(
    mixed: EventStore,
) -> None:
    everything = [stored async for stored in mixed.read_all()]
    middle = everything[60].recorded_at
    filters = [*FILTERS, Filter(since=middle), Filter(until=middle, category="order")]
    for where in filters:
        wanted = [stored.event.id for stored in everything if where.matches(stored)]
        assert await ids(mixed.read_all(where=where)) == wanted, where
        assert await ids(mixed.read_all(where=where, direction="backward")) == wanted[::-1]
        assert await mixed.count(where) == len(wanted)
        inner = [stored.event.id for stored in everything[20:90] if where.matches(stored)]
        after, through = everything[19].position, everything[89].position
        upwards = mixed.read_all(where=where, after=after, through=through)
        assert await ids(upwards) == inner, where
        downwards = mixed.read_all(
            where=where, after=after, through=through, direction="backward"
        )
        assert await ids(downwards) == inner[::-1], where
        assert await mixed.count(where, after=after, through=through) == len(inner)
        assert await ids(mixed.read_all(where=where, limit=3)) == wanted[:3]
        assert (
            await ids(mixed.read_all(where=where, limit=3, direction="backward"))
            == wanted[::-1][:3]
        )


async def test_a_stream_is_read_from_any_version_in_either_direction(
    store: EventStore,
) -> None:
    await store.append("a-1", new_events(10))

    async def versions(**how: object) -> list[int]:
        return [s.version async for s in store.read_stream("a-1", **how)]  # type: ignore[arg-type]

    assert await versions() == list(range(1, 11))
    assert await versions(from_version=8) == [8, 9, 10]
    assert await versions(from_version=11) == []
    assert await versions(direction="backward", limit=2) == [10, 9]
    assert await versions(direction="backward", from_version=3) == [3, 2, 1]
    assert await versions(limit=0) == []


async def test_reads_longer_than_a_page(store: EventStore) -> None:
    await store.append_each([StreamAppend(f"s-{n % 7}", new_events(1)) for n in range(2500)])
    forward = [stored.position async for stored in store.read_all()]
    assert forward == list(range(1, 2501))
    backward = [stored.position async for stored in store.read_all(direction="backward")]
    assert backward == forward[::-1]
    assert (
        len([s async for s in store.read_all(where=Filter(source="/tests"), limit=1700)])
        == 1700
    )
    assert len([s async for s in store.read_all(where=Filter(type_prefix="io."))]) == 2500
    assert len([s async for s in store.read_stream("s-1")]) == 357


async def test_pages_are_bounded_in_bytes(store: EventStore) -> None:
    big = b"x" * (PAGE_BYTES // 3)
    events = [
        new_event(str(n), data=big if n % 2 else None, datacontenttype="text/plain")
        for n in range(24)
    ]
    for event in events:
        await store.append("a-1", [event])
    for read in (
        store.read_all(),
        store.read_stream("a-1"),
        store.read_all(where=Filter(category="a")),
        store.read_all(where=Filter(type_prefix="io")),
    ):
        assert await ids(read) == [str(n) for n in range(24)]
    assert await ids(store.read_all(direction="backward")) == [
        str(n) for n in range(23, -1, -1)
    ]


async def test_a_read_left_early_leaves_nothing_behind(
    store: EventStore, database: Database
) -> None:
    await store.append_each([StreamAppend("s-1", new_events(100)) for _ in range(30)])
    for _ in range(30):
        events = store.read_all()
        await anext(events)
        await events.aclose()
    assert await database.fetchval("SELECT count(*) FROM events") == 3000


async def test_head_and_settled(store: EventStore) -> None:
    assert await store.head() == 0
    assert await store.settled() == 0
    await store.append("a-1", new_events(3))
    assert await store.head() == 3
    assert await store.settled() == 3


async def test_upcasters_are_applied_on_every_read(
    store: EventStore, database: Database
) -> None:
    upcasters = Upcasters()

    @upcasters.register("io.example.orders.placed.v1", 1)
    def newer(event: Event) -> Event:
        return Event(id=event.id, source=event.source, type="io.example.orders.placed.v2")

    await store.append("a-1", [new_event("1"), new_event("2", type="other.v1")])
    modern = EventStore(database, upcasters=upcasters)
    assert [s.event.type async for s in modern.read_all()] == [
        "io.example.orders.placed.v2",
        "other.v1",
    ]
    assert [s.schema_version async for s in modern.read_stream("a-1")] == [2, 1]
    stored = await modern.get(new_event("1").event.uid)
    assert stored is not None
    assert stored.event.type == "io.example.orders.placed.v2"
    original = await store.get(stored.uid)
    assert original is not None
    assert original.event.type == "io.example.orders.placed.v1"
    async with modern.subscribe() as subscription:
        batch = await anext(subscription.batches())
    assert [s.schema_version for s in batch.events] == [2, 1]


@pytest.mark.parametrize("fmt", ["binary", "csv", "text"])
async def test_an_export_is_what_copy_gives(mixed: EventStore, fmt: Format) -> None:
    chunks: list[bytes] = []

    async def sink(chunk: bytes) -> None:
        chunks.append(chunk)

    assert await mixed.export(sink, fmt=fmt) == 121
    if fmt == "csv":
        assert b"".join(chunks).count(b"\n") == 121
    if fmt == "binary":
        assert chunks[0].startswith(b"PGCOPY\n\xff\r\n\0")
    where = Filter(category="order", origin=Origin.EMITTED)
    assert await mixed.export(sink, where=where, fmt=fmt) == await mixed.count(where)
    assert await mixed.export(sink, after=100, through=110, fmt=fmt) == 10


async def test_a_sink_s_own_error_is_its_own(mixed: EventStore) -> None:
    async def sink(_: bytes) -> None:
        raise TimeoutError("the disk is slow")

    with pytest.raises(TimeoutError, match="the disk is slow"):
        await mixed.export(sink)


async def test_the_view_shows_json_as_jsonb_and_never_fails(
    store: EventStore, database: Database
) -> None:
    payloads: list[tuple[bytes | None, str | None]] = [
        (b'{"n": 1}', None),
        (b'{"n": 1}', "application/vnd.x+json; charset=utf-8"),
        (b'"a\\u0000b"', "application/json"),
        (b"n", "text/plain"),
        (None, None),
    ]
    # What an append refuses, and another program may have written.
    unreadable = [b"{", b"\xff", b"[" * 9000]
    events = [
        new_event(str(n), data=data, datacontenttype=kind, extensions={"traceparent": "00-1"})
        for n, (data, kind) in enumerate(payloads)
    ]
    await store.append("a-1", events)
    await database.execute(
        """
        INSERT INTO events (stream, version, uid, emitted, type, digest, envelope, data)
        SELECT 'a-2', number, gen_random_uuid(), false, 'x', sha256(data),
               '{"id":"x","source":"/x","extensions":{"traceparent":"00-1"}}', data
        FROM unnest($1::bytea[]) WITH ORDINALITY AS given (data, number)
        """,
        unreadable,
    )
    rows = await database.fetch(
        "SELECT data, category, traceparent FROM event_documents ORDER BY position"
    )
    assert [row["data"] for row in rows] == ['{"n": 1}', '{"n": 1}', *[None] * 6]
    assert {(row["category"], row["traceparent"]) for row in rows} == {("a", "00-1")}


def test_categories() -> None:
    assert [category_of(name) for name in ("order-1-2", "order", "-1")] == [
        "order",
        "order",
        "",
    ]


def test_times_need_a_zone() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Filter(since=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point


async def test_the_incarnation_is_of_the_database(store: EventStore) -> None:
    first = await store.incarnation()
    assert isinstance(first, UUID)
    assert await store.incarnation() == first
    assert await store.renew_incarnation() != first


async def test_how_long_ago_is_a_time_by_the_database_s_clock(
    database: Database, store: EventStore
) -> None:
    ago = timedelta(hours=1)
    before = await database.fetchval("SELECT clock_timestamp()")
    found = await store.time_of(ago)
    assert found is not None
    assert before <= found + ago <= await database.fetchval("SELECT clock_timestamp()")
    assert await store.time_of(before) == before
    assert await store.time_of(None) is None


async def test_a_range_of_time_has_all_its_events_also_after_the_clock_was_set(
    store: EventStore, database: Database
) -> None:
    """The clock is an hour ahead for a while; later it is set back, and two hours later set on."""
    minutes = [*range(10), *range(70, 80), *range(10, 30), *range(130, 140), *range(30, 40)]
    began = datetime(2026, 1, 1, tzinfo=UTC)
    await database.execute(
        """
        INSERT INTO events (position, stream, version, uid, emitted, type, digest, envelope, recorded_at)
        OVERRIDING SYSTEM VALUE
        SELECT number * 3, 's-' || number, 1, gen_random_uuid(), true, 't', sha256('x'), '{}',
               $1::timestamptz + minute * interval '1 min'
        FROM unnest($2::int[]) WITH ORDINALITY AS given (minute, number)
        """,
        began,
        minutes,
    )
    for since, until in (
        (0, 5),
        (5, 75),
        (15, 20),
        (72, 90),
        (None, 35),
        (31, None),
        (200, None),
    ):
        where = Filter(
            since=None if since is None else began + timedelta(minutes=since),
            until=None if until is None else began + timedelta(minutes=until),
        )
        found = [stored.position async for stored in store.read_all(where=where)]
        assert found == [
            number * 3
            for number, minute in enumerate(minutes, start=1)
            if (since is None or minute >= since) and (until is None or minute < until)
        ]
        assert await store.count(where) == len(found)
    empty = await database.fetchrow(
        "SELECT * FROM positions_between($1, NULL)", began + timedelta(days=1)
    )
    assert empty is not None
    assert tuple(empty) == (0, 0)
    narrow = await database.fetchrow(
        "SELECT * FROM positions_between($1, $2)",
        began + timedelta(minutes=2),
        began + timedelta(minutes=5),
    )
    assert narrow is not None
    assert tuple(narrow) == (6, 15)
