"""From what was seen to what an operator is told. Pure."""

from collections.abc import Iterable

from bridge.config import HealthSettings
from bridge.operating.findings import Finding
from bridge.partitions import PARTITIONS
from bridge.watching.sight import Sight, SourceSight, StoreSight, Trouble

_DAEMON = "daemon/"
_PARTITION = "partition/"


def judge(sight: Sight, owner: str, bounds: HealthSettings) -> list[Finding]:
    """Return what a look around means: servers, sources, leases and lags."""
    return [
        _server("postgres", sight.postgres),
        _server("nats", sight.nats),
        _server("temporal", sight.temporal),
        *(_source(source, bounds) for source in sight.sources),
        *_results(sight.results),
        *(() if sight.store is None else _store(sight.store, owner, bounds)),
    ]


def leases_by_kind(leases: Iterable[str]) -> dict[str, int]:
    """Count leases by what they are for: the part of their names before the first ``/``."""
    counts: dict[str, int] = {}
    for name in leases:
        kind = name.partition("/")[0]
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def _server(name: str, trouble: Trouble | None) -> Finding:
    if trouble is None:
        return Finding(name, "ok", "answers")
    return Finding(name, "failed", trouble.what, trouble.to_do)


def _source(source: SourceSight, bounds: HealthSettings) -> Finding:
    check = f"source {source.name}"
    if source.trouble is not None:
        return Finding(check, "failed", source.trouble.what, source.trouble.to_do)
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


def _results(trouble: Trouble | None) -> list[Finding]:
    if trouble is None:
        return []
    return [Finding("stream of results", "failed", trouble.what, trouble.to_do)]


def _store(store: StoreSight, owner: str, bounds: HealthSettings) -> list[Finding]:
    return [_leases(store, owner), _dispatch(store), _relay(store, bounds), *_fence(store)]


def _leases(store: StoreSight, owner: str) -> Finding:
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


def _dispatch(store: StoreSight) -> Finding:
    letters = sum(store.letters.values())
    detail = (
        f"{store.open} dispatches open, the oldest {store.oldest:.0f} s, {store.waiting} wait for "
        f"their target; {letters} dead letters open"
    )
    if letters:
        return Finding("dispatch", "warning", detail, "see 'ntbridge dead-letters ls'")
    return Finding("dispatch", "ok", detail)


def _relay(store: StoreSight, bounds: HealthSettings) -> Finding:
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


def _fence(store: StoreSight) -> list[Finding]:
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
