"""``ntbridge routes diff``: what other routes would do with the stored history."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from bridge.cli import exits
from bridge.cli.common import note
from bridge.cli.exits import Exit
from bridge.cli.printer import Column, Printer
from bridge.cli.progress import Bar
from bridge.cli.replay.selection import EventFilter
from bridge.evaluation import Evaluator
from bridge.history.backtest.backtest import Backtest, Group, Sample
from bridge.history.backtest.difference import KINDS, Kind
from bridge.history.backtest.slots import SlotCount
from bridge.history.backtest.windows import CallCount
from bridge.routes.loading import load_routes
from bridge.routes.route_tests import shown
from bridge.routes.table import PlannedDispatch, RouteTable
from bridge.settings.schema import Settings
from bridge.sql.storage import open_store
from eventstore.events import Event, StoredEvent
from eventstore.store import EventStore

_NAME = "ntbridge routes diff"

COLUMNS = (
    Column("route"),
    Column("change"),
    Column("events"),
    Column("first", of=lambda row: row["first"]["id"]),
    Column("position", wide=True, of=lambda row: row["first"]["position"]),
    Column("type", wide=True, of=lambda row: row["first"]["type"]),
    Column("before", wraps=True, of=lambda row: _cell(row, "before")),
    Column("after", wraps=True, of=lambda row: _cell(row, "after")),
)
"""The columns of a list of differences."""


@dataclass(frozen=True, kw_only=True)
class DiffOptions:
    """The flags that are no selection of events."""

    new: Path
    base: Path | None
    routes: Sequence[str]
    samples: int


async def run(
    settings: Settings, chosen: EventFilter, options: DiffOptions, printer: Printer
) -> int:
    """Compare, print the differences, and return 1 if there are any.

    Raises:
        Exit: A named route is in neither file.
        RoutesError: A routes file cannot be read.
    """
    before, after = (
        _table(settings, options.base or settings.routes),
        _table(settings, options.new),
    )
    unknown = sorted(set(options.routes) - before.by_name.keys() - after.by_name.keys())
    if unknown:
        raise Exit(exits.USAGE, f"--route: neither file has a route {', '.join(unknown)}")
    async with open_store(settings, _NAME) as (_, store), Evaluator() as evaluator:
        backtest = Backtest(
            before,
            after,
            evaluator,
            max_hops=settings.intake.max_hops,
            names=options.routes,
            samples=options.samples,
        )
        if not backtest.compared:
            note("the routes are equal: there is nothing to compare")
            printer.all([])
            return exits.OK
        selection = await chosen.selection(store)
        through = await selection.end(store)
        with Bar("compared", await selection.count(store, through)) as bar:
            async for chunk in selection.chunks(store, through=through):
                await backtest.compare(chunk)
                bar.step(len(chunk))
        calls, runs = backtest.finish(), backtest.slot_counts()
        rows = [*map(_row, backtest.groups)]
        rows += [_calls_row(each, await _at(store, each.first)) for each in calls]
        rows += [_runs_row(each, await _at(store, each.first)) for each in runs]
    printer.all(rows)
    note(_summary(backtest, through))
    return exits.FAILED if backtest.different or calls or runs else exits.OK


def _table(settings: Settings, path: Path) -> RouteTable:
    return load_routes(
        path, settings.intake.written_sources, settings.type_prefix, settings.temporal.names
    )


def _summary(backtest: Backtest, through: int) -> str:
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
        "meaning": "would be started, skipped, replaced or left waiting in another way",
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


def _cell(row: Mapping[str, Any], side: Literal["before", "after"]) -> str:
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
