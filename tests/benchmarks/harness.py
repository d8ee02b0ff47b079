"""What benchmarks are made of: a context to run in, pairs to compare, rows to report.

A benchmark is a module of this folder with a `NAME` and a coroutine function or asynchronous generator `rows`, that
is given a `Context` and yields (or returns a list of) `Row`::

    NAME = "eventstore.append"

    async def rows(context: Context) -> AsyncIterator[Row]:
        async with context.migrated_database() as url:
            yield (await alternate(ours, reference)).row("eventstore.append.1x100", unit="events/s")

Two things are compared by turns, not one after the other: machines differ from minute to minute by more than most
of what we want to know.
"""

import importlib
import statistics
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from bridge.devstack.addresses import Addresses
from bridge.sql.storage import COMPONENTS
from eventstore.migrate import migrate
from tests.support import databases

Measure = Callable[[], Awaitable[float]]

_NOT_BENCHMARKS = frozenset({"harness", "report"})


@dataclass(frozen=True, kw_only=True)
class Row:
    """One measurement.

    Attributes:
        name: dotted, beginning with the benchmark's name.
        ours: what we reach, in `unit`.
        reference: what it is compared with reaches.
        ratio: of ours to the reference; see `Comparison`.
        unit: of both, as `events/s` or `ms`.
        pairs: how often both were measured.
        note: what a reader must know to judge it.
    """

    name: str
    ours: float
    reference: float
    ratio: float
    unit: str
    pairs: int
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Two things measured by turns: one value of each a pair."""

    ours: tuple[float, ...]
    reference: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The median of the pairs' ratios, ours by the reference.

        Not the ratio of the medians: the two of a pair were measured in the same minute, so a machine that slows
        down halfway through changes both, and no ratio.
        """
        return statistics.median(
            ours / reference for ours, reference in zip(self.ours, self.reference, strict=True)
        )

    def row(self, name: str, *, unit: str, note: str = "") -> Row:
        """The row for it, with the median of each side."""
        return Row(
            name=name,
            ours=statistics.median(self.ours),
            reference=statistics.median(self.reference),
            ratio=self.ratio,
            unit=unit,
            pairs=len(self.ours),
            note=note,
        )


async def alternate(ours: Measure, reference: Measure, *, pairs: int = 5) -> Comparison:
    """Measure both by turns, the first of a pair changing from pair to pair; one unmeasured pair warms up.

    Args:
        ours: measures once, and returns the value.
        reference: likewise, the same amount of work.
        pairs: how many; at least five for a number that is shown to anybody.
    """
    await ours()
    await reference()
    found: dict[Measure, list[float]] = {ours: [], reference: []}
    for pair in range(pairs):
        for measure in (ours, reference) if pair % 2 == 0 else (reference, ours):
            found[measure].append(await measure())
    return Comparison(ours=tuple(found[ours]), reference=tuple(found[reference]))


def against_targets(
    name: str, rounds: Sequence[Sequence[float]], targets: Mapping[str, float], *, note: str
) -> list[Row]:
    """A row for each percentile: its median over the rounds, in ms, against what is wanted of it.

    Args:
        name: the rows' common beginning.
        rounds: the latencies of each, in milliseconds.
        targets: what is wanted, by the name of the percentile: ``p50``, ``p99``.
        note: what was measured.
    """
    cuts = [statistics.quantiles(latencies, n=100) for latencies in rounds]
    rows = []
    for percentile, target in targets.items():
        found = statistics.median(each[int(percentile[1:]) - 1] for each in cuts)
        rows.append(
            Row(
                name=f"{name}.{percentile}",
                ours=found,
                reference=target,
                ratio=found / target,
                unit="ms",
                pairs=len(rounds),
                note=f"{note}; reference: the target, less is better",
            )
        )
    return rows


def memory_row(name: str, grown: float, first: float, *, note: str) -> Row:
    """The row for memory in MB at the end, against that early on: 1 means that it is flat."""
    return Row(
        name=f"{name}.memory",
        ours=grown,
        reference=first,
        ratio=grown / first,
        unit="MB",
        pairs=1,
        note=note,
    )


@dataclass(frozen=True)
class Context:
    """What a benchmark is given: servers, and databases of its own on them."""

    addresses: Addresses

    def database(self) -> AbstractAsyncContextManager[str]:
        """An empty database; yields its DSN."""
        return databases.database(self.addresses.database_url)

    @asynccontextmanager
    async def migrated_database(self) -> AsyncIterator[str]:
        """A database with all our tables and no rows; yields its DSN."""
        async with self.database() as url:
            await migrate(url, COMPONENTS)
            yield url


def discover(only: str, folder: Path = Path(__file__).parent) -> list[ModuleType]:
    """The benchmarks of the folder whose name, or file's name, begins with `only`.

    Raises:
        LookupError: there is none.
    """
    stems = sorted(path.stem for path in folder.glob("[a-z]*.py"))
    modules = [
        importlib.import_module(f"tests.benchmarks.{stem}")
        for stem in stems
        if stem not in _NOT_BENCHMARKS
    ]
    known = [
        module for module in modules if hasattr(module, "NAME") and hasattr(module, "rows")
    ]
    wanted = [
        module
        for module in known
        if module.NAME.startswith(only) or module.__name__.rpartition(".")[2].startswith(only)
    ]
    if not wanted:
        names = ", ".join(module.NAME for module in known) or "none"
        raise LookupError(f"no benchmark begins with {only!r}; there are: {names}")
    return wanted


async def rows_of(module: ModuleType, context: Context) -> AsyncIterator[Row]:
    """Run one benchmark."""
    found: AsyncIterator[Row] | Awaitable[list[Row]] = module.rows(context)
    if isinstance(found, AsyncIterator):
        async for row in found:
            yield row
    else:
        for row in await found:
            yield row
