"""The answer of a backtest, as ``ntbridge routes diff`` and the console give it."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from bridge.history.backtest.backtest import Backtest, Group, Sample
from bridge.history.backtest.difference import KINDS, Kind
from bridge.history.backtest.slots import SlotCount
from bridge.history.backtest.windows import CallCount
from bridge.routes.route_tests import shown
from bridge.routes.table import PlannedDispatch
from eventstore.events import Event, StoredEvent
from eventstore.store import EventStore


async def rows_of(backtest: Backtest, store: EventStore) -> list[dict[str, Any]]:
    """Return a row for each route and kind of difference; call it after the last event."""
    rows = [_row(each) for each in backtest.groups]
    calls, runs = backtest.finish(), backtest.slot_counts()
    rows += [_calls_row(each, await _at(store, each.first)) for each in calls]
    rows += [_runs_row(each, await _at(store, each.first)) for each in runs]
    return rows


def summary(backtest: Backtest, through: int) -> str:
    """Return in a sentence what was compared, and how much differs."""
    routes = ", ".join(sorted(backtest.compared))
    return (
        f"{backtest.events} events up to position {through} compared for the routes that differ "
        f"({routes}): {backtest.different or 'none'} would be handled in another way"
    )


def _row(group: Group) -> dict[str, Any]:
    samples = [_sample(each) for each in group.samples]
    return {
        "route": group.route,
        "change": group.kind,
        "meaning": KINDS[group.kind],
        "events": group.count,
        "first": samples[0],
        "samples": samples,
    }


def _runs_row(count: SlotCount, first: StoredEvent) -> dict[str, Any]:
    """Return the row of a route that would start other events for want of slots."""
    before, after = ({"fates": dict(each)} for each in count.fates)
    sample = {**_named(first), "before": before, "after": after}
    return {
        "route": count.route,
        "change": "slot",
        "meaning": "would be started, skipped, replaced, merged or left waiting in another way",
        "events": count.others,
        "first": sample,
        "samples": [sample],
    }


def _calls_row(count: CallCount, first: StoredEvent) -> dict[str, Any]:
    """Return the row of a route that would make other calls for its windows."""
    before, after = (
        {"events": events, "calls": calls}
        for events, calls in zip(count.events, count.calls, strict=True)
    )
    sample = {**_named(first), "before": before, "after": after}
    return {
        "route": count.route,
        "change": "window",
        "meaning": "would be called together with other events",
        "events": count.others,
        "first": sample,
        "samples": [sample],
    }


async def _at(store: EventStore, position: int) -> StoredEvent:
    return await anext(store.read_all(after=position - 1, limit=1))


def _sample(sample: Sample) -> dict[str, Any]:
    stored, found = sample.stored, sample.difference
    return {
        **_named(stored),
        "before": _shown(found.before, stored.event),
        "after": _shown(found.after, stored.event),
    }


def _named(stored: StoredEvent) -> dict[str, Any]:
    event = stored.event
    return {
        "position": stored.position,
        "uid": str(stored.uid),
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "recorded_at": stored.recorded_at,
    }


def _shown(plan: PlannedDispatch | None, event: Event) -> dict[str, Any] | None:
    return None if plan is None else shown(plan, event)


def cell(row: Mapping[str, Any], side: Literal["before", "after"]) -> str:
    """Return the part of a row's plan, of one side, that the difference is about."""
    plan = row["first"][side]
    if row["change"] == "window":
        return f"{plan['calls']} calls for {plan['events']} events"
    if row["change"] == "slot":
        return ", ".join(f"{number} {fate}" for fate, number in sorted(plan["fates"].items()))
    return _value(row["change"], plan)


def _value(kind: Kind, plan: dict[str, Any] | None) -> str:
    """Return the part of a plan that a difference of this kind is about."""
    if plan is None:
        return ""
    if "error" in plan:
        return f"dead letter: {plan['error']}"
    match kind:
        case "id" | "key":
            return str(plan[kind])
        case "input":
            return " ".join(_inputs(plan))
        case "call":
            return f"{plan['operation']} {_json(plan['call'])}"
        case _:
            return f"{plan['operation']} {plan['id']}"


def _inputs(plan: dict[str, Any]) -> Iterator[str]:
    return (_json(plan[name]) for name in ("input", "argument") if name in plan)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
