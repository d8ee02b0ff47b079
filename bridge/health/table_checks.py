"""Checks of the tables' sizes. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from bridge.runtime.findings import Finding

GROWING = ("events", "deliveries", "dispatches", "dead_letters", "runs")
"""The tables that grow with the events."""
_MAX_DEAD_RATIO = 0.4
"""Autovacuum begins at 0.17 with Postgres' own settings."""
_FEW_ROWS = 100_000
_KILO = 1000
_UNITS = ("B", "kB", "MB", "GB", "TB")


@dataclass(frozen=True, slots=True)
class TableState:
    """The size of one table.

    Attributes:
        name: The table.
        bytes: Its size with indexes and large values.
        live: Its rows, as autovacuum counts them.
        dead: Rows that were changed or deleted and take room until a vacuum.
        vacuumed_at: When the last vacuum ended; None: there was none.
    """

    name: str
    bytes: int
    live: int
    dead: int
    vacuumed_at: datetime | None = None

    @property
    def dead_ratio(self) -> float:
        """The part of the rows that are dead."""
        return self.dead / max(1, self.live + self.dead)


def table_findings(tables: Sequence[TableState]) -> list[Finding]:
    """Return a finding on the sizes; a warning if dead rows are not removed."""
    if not tables:
        return []
    by_size = sorted(tables, key=lambda table: -table.bytes)
    sizes = ", ".join(f"{table.name} {_size(table.bytes)}" for table in by_size)
    bloated = [
        table
        for table in by_size
        if table.dead >= _FEW_ROWS and table.dead_ratio > _MAX_DEAD_RATIO
    ]
    if not bloated:
        return [Finding("tables", "ok", sizes)]
    names = ", ".join(table.name for table in bloated)
    first = bloated[0]
    last = "never" if first.vacuumed_at is None else f"{first.vacuumed_at:%Y-%m-%d %H:%M}"
    return [
        Finding(
            "tables",
            "warning",
            f"{sizes}; {first.dead_ratio:.0%} of the rows of {first.name} are dead ({first.dead}), and its "
            f"last vacuum was {last}",
            f"run 'vacuum (analyze) {names}' as the owner, end transactions that stay open for long, and "
            "let autovacuum begin earlier (autovacuum_vacuum_scale_factor of the table)",
        )
    ]


def _size(count: float) -> str:
    unit = 0
    while count >= _KILO and unit < len(_UNITS) - 1:
        count, unit = count / _KILO, unit + 1
    return f"{count:.3g} {_UNITS[unit]}"
