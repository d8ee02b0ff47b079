"""From what was seen to what an operator is told. Pure."""

from collections.abc import Iterable

from bridge.config import HealthSettings
from bridge.health.snapshot import Problem, Snapshot, SourceState, StoreState
from bridge.operating.findings import Finding
from bridge.partitions import PARTITIONS

_DAEMON = "daemon/"
_PARTITION = "partition/"


def judge(snapshot: Snapshot, owner: str, bounds: HealthSettings) -> list[Finding]:
    """Return what a snapshot means: servers, sources, leases and lags."""
    return [
        _server("postgres", snapshot.postgres),
        _server("nats", snapshot.nats),
        _server("temporal", snapshot.temporal),
        *(_source(source, bounds) for source in snapshot.sources),
        *_results(snapshot.results),
        *(() if snapshot.store is None else _store(snapshot.store, owner, bounds)),
    ]


def leases_by_kind(leases: Iterable[str]) -> dict[str, int]:
    """Count leases by what they are for: the part of their names before the first ``/``."""
    counts: dict[str, int] = {}
    for name in leases:
        kind = name.partition("/")[0]
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def _server(name: str, problem: Problem | None) -> Finding:
    if problem is None:
        return Finding(name, "ok", "answers")
    return Finding(name, "failed", problem.what, problem.to_do)


def _source(source: SourceState, bounds: HealthSettings) -> Finding:
    check = f"source {source.name}"
    if source.problem is not None:
        return Finding(check, "failed", source.problem.what, source.problem.to_do)
    if not source.led:
        return Finding(
            check, "ok", "fetched by another daemon, or about to be fetched by this one"
        )
    detail = f"{source.messages} messages to record, the oldest {source.seconds:.0f} s old"
    if source.seconds > bounds.source_lag:
        return Finding(
            check,
            "failed",
            f"{detail}; the bound is {bounds.source_lag:g} s",
            "see dispatch: intake waits while too much is open; or Postgres is slow",
        )
    if source.held_back:
        return Finding(
            check,
            "warning",
            f"{detail}; it is held back, since too many dispatches are open",
            "see dispatch; the bounds are intake.max_open_dispatches and intake.max_open_bytes",
        )
    return Finding(check, "ok", detail)


def _results(problem: Problem | None) -> list[Finding]:
    if problem is None:
        return []
    return [Finding("stream of results", "failed", problem.what, problem.to_do)]


def _store(store: StoreState, owner: str, bounds: HealthSettings) -> list[Finding]:
    return [_leases(store, owner), _dispatch(store), _relay(store, bounds), *_fence(store)]


def _leases(store: StoreState, owner: str) -> Finding:
    mine = [name for name, holder in store.leases.items() if holder == owner]
    daemons = sum(name.startswith(_DAEMON) for name in store.leases)
    partitions = sum(name.startswith(_PARTITION) for name in store.leases)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(leases_by_kind(mine).items()))
    detail = (
        f"this daemon holds {kinds or 'none'}; {daemons} daemons hold "
        f"{partitions} of {PARTITIONS} partitions"
    )
    if partitions < PARTITIONS:
        return Finding(
            "leases",
            "warning",
            detail,
            "a moment's patience; leases of the dead run out in seconds",
        )
    return Finding("leases", "ok", detail)


def _dispatch(store: StoreState) -> Finding:
    letters = sum(store.letters.values())
    detail = (
        f"{store.open} dispatches open, the oldest {store.oldest:.0f} s, {store.waiting} wait for "
        f"their target; {letters} dead letters open"
    )
    if letters:
        return Finding("dispatch", "warning", detail, "see 'ntbridge dead-letters ls'")
    return Finding("dispatch", "ok", detail)


def _relay(store: StoreState, bounds: HealthSettings) -> Finding:
    detail = f"{store.relay_positions} result events to publish, the oldest {store.relay_seconds:.0f} s old"
    if store.relay_seconds > bounds.relay_lag:
        return Finding(
            "relay",
            "failed",
            f"{detail}; the bound is {bounds.relay_lag:g} s",
            "see the log for relay.stopped, relay.refused and relay.interrupted: the stream of "
            "results is missing or full, or somebody else writes to it",
        )
    return Finding("relay", "ok", detail)


def _fence(store: StoreState) -> list[Finding]:
    if store.fence_seconds < _LONG_TRANSACTION:
        return []
    return [
        Finding(
            "fence",
            "warning",
            f"a transaction of {store.fence_holder} has been open for "
            f"{store.fence_seconds:.0f} s and holds back all readers of the log",
            "end it: select pg_terminate_backend(pid)",
        )
    ]


_LONG_TRANSACTION = 10.0
"""Seconds. The store's own are over in milliseconds, and cut off after some seconds."""
