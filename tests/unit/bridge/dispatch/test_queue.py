"""The way between two parts: in order, with room as the reader wants it, and bytes until they are released."""

import asyncio

from bridge.dispatch.queue import Queue


def queue(ahead: int = 4) -> tuple[Queue[str], asyncio.Event, asyncio.Event]:
    reader, writer = asyncio.Event(), asyncio.Event()
    return Queue(reader, writer, lambda: ahead, len), reader, writer


def test_items_come_in_order_and_wake_the_reader() -> None:
    items, reader, _ = queue()
    assert not reader.is_set()
    for each in ("a", "b", "c"):
        items.put(each)
    assert reader.is_set()
    assert [items.read(), items.read()] == ["a", "b"]
    assert items.read_all() == ["c"]
    assert not items


def test_the_writer_is_asked_for_more_when_half_of_what_is_wanted_is_left() -> None:
    items, _, writer = queue(ahead=4)
    for each in "abcdef":
        items.put(each)
    assert items.room == 0
    for left in (5, 4, 3):
        items.read()
        assert (len(items), items.room, writer.is_set()) == (left, max(0, 4 - left), False)
    items.read()
    assert (items.room, writer.is_set()) == (2, True)


def test_bytes_count_until_the_reader_releases_them() -> None:
    items, _, writer = queue()
    items.put("four")
    items.put("7 bytes")
    first = items.read()
    assert items.bytes == 11
    writer.clear()
    items.release(first)
    assert (items.bytes, writer.is_set()) == (7, True)
    assert items.read_all() == ["7 bytes"]
    assert items.bytes == 0


def test_reading_all_ends_the_promise_that_no_more_will_follow() -> None:
    items, _, _ = queue()
    items.put("a")
    items.complete.set()
    items.read_all()
    assert not items.complete.is_set()
