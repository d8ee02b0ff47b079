"""Large result events are read and checked in a child process, with the same results."""

import msgspec
import pytest

from bridge.emit.checking import EmitArgument, check_event, compact_json, read
from bridge.emit.request import InvalidEmitError, read_argument
from bridge.evaluation import INLINE_BYTES, Evaluator
from eventstore.errors import InvalidEvent
from eventstore.events import Event, NewEvent
from tests.unit.bridge.emit.test_request import EMITTER, LINEAGE, SECRET


def emit(size: int, *, deep: bool = False) -> EmitArgument:
    """An emit of so many bytes of data."""
    data = b"[" * 200 + b"]" * 200 if deep else b'{"a": 1}'
    rows = b",".join([data] * (size // len(data)))
    argument = b'{"type": "io.example.shop.shipped.v1", "data": [%s]}' % rows
    return EmitArgument(argument=argument, emitter=EMITTER, lineage=LINEAGE, namespace=SECRET)


async def test_an_emit_is_read_alike_whatever_its_size() -> None:
    async with Evaluator() as evaluator:
        for size, children in ((100, 0), (4 * INLINE_BYTES, 1)):
            given = emit(size)
            (new,) = await read(evaluator.work, given)
            (here,) = read_argument(given.argument, EMITTER, LINEAGE, SECRET)
            assert new == msgspec.structs.replace(here, digest=here.event.digest)
            assert len(evaluator.pids) == children
            with pytest.raises(InvalidEmitError, match="nested"):
                await read(evaluator.work, emit(max(size, 500), deep=True))


async def test_what_the_store_would_refuse_is_refused_there() -> None:
    good = Event(id="1", source="/s", type="a.b.v1", data=b"1" + b" " * 2 * INLINE_BYTES)
    async with Evaluator() as evaluator:
        new = await check_event(evaluator.work, NewEvent(event=good))
        assert new.digest == good.digest
        bad = msgspec.structs.replace(good, data=b"{" + b" " * 2 * INLINE_BYTES)
        with pytest.raises(InvalidEvent, match="declared as JSON"):
            await check_event(evaluator.work, NewEvent(event=bad))


def test_json_that_readers_could_read_differently_is_none() -> None:
    assert compact_json(b'{"a": [1, 2]}') == b'{"a":[1,2]}'
    assert compact_json(b'{"a": 1, "a": 2}') == b""
    assert compact_json(b"{") == b""
