"""What gauges show of the state of the tables, one value for each set of attributes. Pure."""

from bridge.health.snapshot import StoreState
from bridge.runtime.metrics import Reading


def pauses(seen: StoreState) -> Reading:
    """Return the pauses by kind."""
    kinds = [each.kind for each in seen.pauses]
    # Zeros too: an alert cannot compare with a series that does not exist.
    return [(kinds.count(kind), {"kind": kind}) for kind in ("route", "source")]


def letters(seen: StoreState) -> Reading:
    """Return the open dead letters by stage."""
    return [(count, {"stage": stage}) for stage, count in seen.letters.items()]


def table_bytes(seen: StoreState) -> Reading:
    """Return the sizes of the tables."""
    return [(each.bytes, {"table": each.name}) for each in seen.tables]


def dead_ratios(seen: StoreState) -> Reading:
    """Return the part of the rows of each table that are dead."""
    return [(each.dead_ratio, {"table": each.name}) for each in seen.tables]
