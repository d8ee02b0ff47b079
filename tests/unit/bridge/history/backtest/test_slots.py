"""Counts of started, skipped, replaced and waiting events of routes with slots, over a history."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from bridge.emit.request import stream_of
from bridge.history.backtest.slots import RunsByRoute, SlotCount, differing, slotted
from bridge.routes.model import Route
from bridge.routes.table import RouteTable
from eventstore.events import Event, Origin, StoredEvent
from tests.support.operations import TOPIC, event_of
from tests.unit.bridge import builders

START = {"workflow": "W", "task_queue": "q", "id": '"w/" + string(int(data.n))'}


def table(**says: Any) -> RouteTable:
    return RouteTable(
        [Route.model_validate({"name": "r", "from": "events.>", "start": START, **says})]
    )


def limited(when_full: str = "queue", limit: int = 1) -> RouteTable:
    return table(concurrency={"key": '"a"', "limit": limit, "when_full": when_full})


def asked(position: int, second: int) -> StoredEvent:
    return replace(
        builders.stored(event_of({"n": position}), topic=TOPIC),
        position=position,
        recorded_us=second * 1_000_000,
    )


def ended(cause: StoredEvent, position: int, second: int) -> StoredEvent:
    closure = Event(id=f"c{position}", source="/", type="dev.ntbridge.workflow.completed.v1")
    return replace(
        builders.stored(closure, topic="results.workflow.completed"),
        position=position,
        recorded_us=second * 1_000_000,
        stream=stream_of(f"w/{cause.position}"),
        causation_uid=cause.uid,
        origin=Origin.EMITTED,
    )


def simulated(routes: RouteTable, history: Sequence[StoredEvent]) -> RunsByRoute:
    runs = RunsByRoute(["r"])
    for stored in history:
        topic = stored.topic or ""
        runs.add(stored, routes.plan(topic, stored.event) if topic == TOPIC else ())
    return runs


def busy() -> list[StoredEvent]:
    """Five events a second apart; each had a run of two seconds."""
    events = {at: asked(at, at) for at in range(1, 6)}
    ends = [ended(events[at], 10 + at, at + 2) for at in events]
    return sorted(
        [*events.values(), *ends], key=lambda each: (each.recorded_us, -each.position)
    )


def test_every_policy_over_the_runs_of_the_history() -> None:
    def fates(routes: RouteTable) -> list[str]:
        found = simulated(routes, busy()).fates["r"]
        return [found[at] for at in sorted(found)]

    assert fates(table()) == ["started"] * 5
    assert fates(limited(limit=2)) == ["started"] * 5
    assert fates(limited("skip")) == ["started", "skipped", "started", "skipped", "started"]
    assert fates(limited("queue")) == ["started"] * 4 + ["waiting"]
    assert fates(limited("replace_queued")) == [
        *("started", "started", "replaced", "started", "started"),
    ]
    assert fates(limited("cancel_running")) == ["started"] * 5


def test_a_run_without_an_end_lasts_as_long_as_the_longest_or_for_ever() -> None:
    events = [asked(at, at * 10) for at in range(1, 5)]
    fates = simulated(limited("skip"), events).fates["r"]
    assert list(fates.values()) == ["started", "skipped", "skipped", "skipped"]
    history = [events[0], ended(events[0], 9, 15), *events[1:]]
    fates = simulated(limited("skip"), history).fates["r"]
    assert list(fates.values()) == ["started"] * 4


def test_what_differs_is_counted() -> None:
    before, after = table(), limited("skip")
    assert slotted(before, table()) == frozenset()
    assert slotted(before, after) == {"r"}
    (found,) = differing(simulated(before, busy()), simulated(after, busy()), ["r"])
    assert found == SlotCount(
        route="r", fates=({"started": 5}, {"started": 3, "skipped": 2}), others=2, first=2
    )
    assert differing(simulated(after, busy()), simulated(after, busy()), ["r"]) == []


def test_the_last_event_of_a_window_asks_for_a_slot_when_the_window_closes() -> None:
    def fates(history: Sequence[StoredEvent], **window: Any) -> list[str]:
        slot = {"key": '"a"', "limit": 1, "when_full": "skip"}
        found = simulated(table(concurrency=slot, **window), history).fates["r"]
        return [found[at] for at in sorted(found)]

    pairs = {"batch": {"key": '"a"', "size": 2, "for": "10s"}}
    # The run of the second event ends as the second window closes; the third one is open.
    assert fates(busy(), **pairs) == ["merged", "started", "merged", "started", "waiting"]
    endless = [asked(at, at) for at in range(1, 5)]
    assert fates(endless, **pairs) == ["merged", "started", "merged", "skipped"]
    # The first window closes by time, before the fifth event. Its run never ends, so the second window gets no slot.
    quiet = {"debounce": {"key": '"a"', "for": "3s"}}
    assert fates([*endless, asked(5, 20), asked(6, 40)], **quiet) == [
        *("merged", "merged", "merged", "started", "skipped", "waiting"),
    ]
