"""Appends and reads against a plain model of what a store is."""

import asyncio
from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from typing_extensions import override

from eventstore import expected as expectations
from eventstore.appending import Appended
from eventstore.database import Database
from eventstore.errors import AppendRefused, Conflict, WrongExpectedVersion
from eventstore.events import NewEvent
from eventstore.expected import Any, Exact, ExpectedVersion, NoStream, StreamExists
from eventstore.migrate import migrate
from eventstore.prepared import StreamAppend
from eventstore.store import EventStore
from tests.support.databases import execute
from tests.unit.eventstore.builders import new_event

pytestmark = pytest.mark.slow

Outcome = tuple[object, ...]


@dataclass
class Model:
    """A store as a list of (stream, event), and the rules in a few lines of Python."""

    log: list[tuple[str, NewEvent]] = field(default_factory=list)

    def stream(self, name: str) -> list[str]:
        return [new.event.id for stream, new in self.log if stream == name]

    def append(self, append: StreamAppend) -> Outcome:
        stored = {
            new.event.id: (stream, new.event.digest, position)
            for position, (stream, new) in enumerate(self.log)
        }
        ids = [new.event.id for new in append.events]
        found = [stored[one] for one in ids if one in stored]
        here = self.stream(append.stream)
        if found:
            bodies = {new.event.id: new.event.digest for new in append.events}
            if any(stored[one][1] != bodies[one] for one in ids if one in stored):
                return ("conflict", "body")
            if any(stream != append.stream for stream, _, _ in found):
                return ("conflict", "stream")
            first = here.index(ids[0]) if ids[0] in here else -1
            if len(found) < len(ids) or here[first : first + len(ids)] != ids:
                return ("conflict", "partial")
            return ("duplicate", first + 1)
        if not expectations.holds(append.expected, len(here)):
            return ("wrong version", len(here))
        self.log += [(append.stream, new) for new in append.events]
        return ("appended", len(here) + 1)


def outcome(result: Appended | AppendRefused) -> Outcome:
    match result:
        case Appended(duplicate=True):
            return ("duplicate", result.first_version)
        case Appended():
            return ("appended", result.first_version)
        case Conflict():
            return ("conflict", result.reason)
        case WrongExpectedVersion():
            return ("wrong version", result.actual)
        case _:
            raise AssertionError(result)


# Few streams, ids and bodies, so that they meet.
events = st.builds(
    lambda number, body: new_event(f"e{number}", data=body),
    st.integers(0, 11),
    st.sampled_from([b"1", b"1", b"1", b"2"]),
)
expected: st.SearchStrategy[ExpectedVersion] = st.one_of(
    st.just(Any()),
    st.just(Any()),
    st.just(NoStream()),
    st.just(StreamExists()),
    st.builds(Exact, st.integers(0, 4)),
)
appends = st.builds(
    StreamAppend,
    st.sampled_from(["a-1", "b-1", "c-1"]),
    st.lists(events, min_size=1, max_size=3, unique_by=lambda new: new.event.id),
    expected,
)
batches = st.lists(appends, min_size=1, max_size=4)


class StoreMachine(RuleBasedStateMachine):
    """Every way to append, in any order; after each, every way to read agrees with the model."""

    url: str

    def __init__(self) -> None:
        super().__init__()
        self._runner = asyncio.Runner()
        self._database = self._runner.run(emptied(self.url))
        self._store = EventStore(self._database)
        self._model = Model()

    @rule(append=appends)
    def append(self, append: StreamAppend) -> None:
        said = self._runner.run(attempt(self._store, append))
        assert outcome(said) == self._model.append(append)

    @rule(batch=batches)
    def append_each(self, batch: list[StreamAppend]) -> None:
        self._runner.run(each(self._store, self._model, batch))

    @rule(batch=batches)
    def append_many(self, batch: list[StreamAppend]) -> None:
        self._runner.run(many(self._store, self._model, batch))

    @rule(batch=st.lists(appends, min_size=2, max_size=6))
    def append_together(self, batch: list[StreamAppend]) -> None:
        self._runner.run(together(self._store, self._model, batch))

    @invariant()
    def reads_as_the_model_does(self) -> None:
        self._runner.run(compare(self._store, self._model))

    @override
    def teardown(self) -> None:
        async def close() -> None:
            await self._store.aclose()
            await self._database.close()

        self._runner.run(close())
        self._runner.close()


async def emptied(url: str) -> Database:
    """Connect to a database whose log is empty; by the owner's way, which no role of the store has."""
    await execute(
        url,
        "ALTER TABLE events DISABLE TRIGGER events_are_not_truncated;"
        "TRUNCATE events RESTART IDENTITY;"
        "ALTER TABLE events ENABLE ALWAYS TRIGGER events_are_not_truncated",
    )
    return await Database.connect(url, size=6)


async def each(store: EventStore, model: Model, batch: list[StreamAppend]) -> None:
    results = await store.append_each(batch)
    if reordered(batch):
        await agree(store, model, batch, [outcome(result) for result in results])
    else:
        assert [outcome(result) for result in results] == [model.append(a) for a in batch]


async def many(store: EventStore, model: Model, batch: list[StreamAppend]) -> None:
    trial = Model(list(model.log))
    wanted = [trial.append(append) for append in batch]
    refused = any(kind in {"conflict", "wrong version"} for kind, *_ in wanted)
    try:
        done = await store.append_many(batch)
    except AppendRefused:
        assert refused or reordered(batch)
        return
    if reordered(batch):
        await agree(store, model, batch, [outcome(result) for result in done])
    else:
        assert not refused
        assert [outcome(result) for result in done] == wanted
        model.log = trial.log


async def together(store: EventStore, model: Model, batch: list[StreamAppend]) -> None:
    """Single appends at the same time, which share statements and commits."""
    results = await asyncio.gather(*[attempt(store, append) for append in batch])
    await agree(store, model, batch, [outcome(result) for result in results])


def reordered(batch: list[StreamAppend]) -> bool:
    """Whether one event comes up in several members, so that some wait for a later round."""
    ids = [new.event.id for append in batch for new in append.events]
    return len(set(ids)) < len(ids)


async def attempt(store: EventStore, append: StreamAppend) -> Appended | AppendRefused:
    try:
        return await store.append(append.stream, append.events, expected=append.expected)
    except AppendRefused as refused:
        return refused


async def agree(
    store: EventStore, model: Model, batch: list[StreamAppend], outcomes: list[Outcome]
) -> None:
    """Find an order of the members in which the model says what the store said.

    Members that are written at the same time may lie among each other in the log, each stream's
    in its own order; the model takes over how they lie.
    """
    known = len(model.log)
    log = [stored async for stored in store.read_all(after=await position_of(store, model))]
    order = {stored.event.id: number for number, stored in enumerate(log)}
    ranked = sorted(
        zip(batch, outcomes, strict=True),
        key=lambda pair: order.get(pair[0].events[0].event.id, -1),
    )
    left = [pair for pair in ranked if pair[1][0] == "appended"]
    others = [pair for pair in ranked if pair[1][0] != "appended"]
    while left or others:
        fitting = next((p for p in others if Model(list(model.log)).append(p[0]) == p[1]), None)
        if fitting is not None:
            others.remove(fitting)
            continue
        assert left, f"no order explains {others}"
        append, said = left.pop(0)
        assert model.append(append) == said
    model.log[known:] = sorted(model.log[known:], key=lambda each: order[each[1].event.id])


async def position_of(store: EventStore, model: Model) -> int:
    """The position behind what the model has already."""
    if not model.log:
        return 0
    stored = await store.get(model.log[-1][1].event.uid)
    assert stored is not None
    return stored.position


async def compare(store: EventStore, model: Model) -> None:
    log = [(stored.stream, stored.event) async for stored in store.read_all()]
    assert log == [(stream, new.event) for stream, new in model.log]
    backward = [stored.event.id async for stored in store.read_all(direction="backward")]
    assert backward == [new.event.id for _, new in reversed(model.log)]
    for stream in ("a-1", "b-1", "c-1"):
        read = [stored async for stored in store.read_stream(stream)]
        assert [stored.event.id for stored in read] == model.stream(stream)
        assert [stored.version for stored in read] == list(range(1, len(read) + 1))
        assert await store.stream_version(stream) == len(read)


async def test_the_store_does_what_the_model_does(database_url: str) -> None:
    await migrate(database_url)
    machine = type("Machine", (StoreMachine,), {"url": database_url})
    wanted = settings(
        max_examples=25,
        stateful_step_count=10,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    await asyncio.to_thread(run_state_machine_as_test, machine, settings=wanted)
