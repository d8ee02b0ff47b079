"""``ntbridge routes diff``: what other routes would do with the stored history."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.cli import exits
from bridge.cli.common import note
from bridge.cli.exits import Exit
from bridge.cli.printer import Column, Printer
from bridge.cli.progress import Bar
from bridge.cli.replay.selection import EventFilter
from bridge.evaluation import Evaluator
from bridge.history.backtest.answer import cell, rows_of, summary
from bridge.history.backtest.backtest import Backtest
from bridge.routes.loading import load_routes
from bridge.routes.table import RouteTable
from bridge.settings.schema import Settings
from bridge.sql.storage import open_store

_NAME = "ntbridge routes diff"

COLUMNS = (
    Column("route"),
    Column("change"),
    Column("events"),
    Column("first", of=lambda row: row["first"]["id"]),
    Column("position", wide=True, of=lambda row: row["first"]["position"]),
    Column("type", wide=True, of=lambda row: row["first"]["type"]),
    Column("before", wraps=True, of=lambda row: cell(row, "before")),
    Column("after", wraps=True, of=lambda row: cell(row, "after")),
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
        rows = await rows_of(backtest, store)
    printer.all(rows)
    note(summary(backtest, through))
    return exits.FAILED if rows else exits.OK


def _table(settings: Settings, path: Path) -> RouteTable:
    return load_routes(
        path, settings.intake.written_sources, settings.type_prefix, settings.temporal.names
    )
