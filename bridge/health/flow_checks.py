"""Checks whether events move: sources, leases, dispatch, relay. Pure."""

from collections.abc import Iterable, Mapping

from bridge.dispatch.partitions import PARTITIONS
from bridge.health.limit_checks import limit_findings
from bridge.health.pause_checks import paused_routes, paused_source
from bridge.health.snapshot import Snapshot, SourceState, StoreState
from bridge.health.table_checks import table_findings
from bridge.lifecycle.lease_names import (
    DAEMON_PREFIX,
    PARTITION_PREFIX,
    RELAY,
    daemon_lease,
    kind_of,
    source_lease,
)
from bridge.lifecycle.services import part_name
from bridge.runtime.findings import CheckState, Finding
from bridge.settings.schema import HealthSettings, Settings

_TAKEOVER_SECONDS = 15.0
"""A free partition is acquired within two lease TTLs; after this time no daemon will."""
_LONG_TRANSACTION = 10.0
"""Seconds. The store's own transactions take milliseconds and are ended after some seconds."""


def flow(snapshot: Snapshot, owner: str | None, settings: Settings) -> list[Finding]:
    """Return findings on whether events move; ``owner`` as in `checks.judge`."""
    bounds, store = settings.health, snapshot.store
    leases = None if store is None else store.leases
    found = [
        _source(each, leases, owner, bounds) if paused is None else paused_source(each, paused)
        for each in snapshot.sources
        for paused in [None if store is None else store.pause_of("source", each.name)]
    ]
    if store is not None:
        found += [
            _leases(snapshot, store, owner),
            _dispatch(snapshot, store, bounds),
            *_unreachable(store, settings),
            _dead_letters(store),
            _relay(snapshot, store, owner, bounds),
            *_fence(store),
            *table_findings(store.tables),
            *paused_routes(store),
            *limit_findings(store.leases),
        ]
    if owner is not None:
        found += _parts(snapshot)
    return found


def leases_by_kind(leases: Iterable[str]) -> dict[str, int]:
    """Count leases by their kind."""
    counts: dict[str, int] = {}
    for name in leases:
        kind = kind_of(name)
        counts[kind] = counts.get(kind, 0) + 1
    return counts


def _source(
    source: SourceState,
    leases: Mapping[str, str] | None,
    owner: str | None,
    bounds: HealthSettings,
) -> Finding:
    check = f"source {source.name}"
    if source.problem is not None:
        return Finding(check, "failed", source.problem.what, source.problem.to_do)
    detail = f"{source.messages} messages to record"
    leader = None if leases is None else leases.get(source_lease(source.name))
    if source.led:
        return _fetched_here(check, detail, source, bounds)
    if leader is not None and leader != owner:
        return _fetched_by(leader, check, detail, source)
    if leases is None:
        to_do = "see the check postgres: its tables say which daemon fetches"
        return Finding(check, "warning", f"{detail}; who fetches from it is unknown", to_do)
    detail = f"{detail}; no daemon fetches from it"
    if owner is None and not _daemons(leases):
        return Finding(check, "ok", detail)
    return Finding(
        check,
        "failed",
        detail,
        "see the log for lease.store_unavailable; a dead daemon's lease expires within seconds",
    )


def _fetched_by(leader: str, check: str, detail: str, source: SourceState) -> Finding:
    if source.has_consumer:
        return Finding(check, "ok", f"{detail}; fetched by {leader}")
    waits = f"{leader} holds its lease, but is not attached to the stream: there is no consumer"
    return Finding(check, "failed", waits, f"see /readyz and the log of {leader}")


def _fetched_here(
    check: str, detail: str, source: SourceState, bounds: HealthSettings
) -> Finding:
    if not source.attached:
        return Finding(
            check,
            "failed",
            "this daemon holds its lease, but is not attached to the stream",
            "see the log for intake.not_attached, intake.not_connected and intake.source_missing",
        )
    detail = f"{detail}, the oldest {source.seconds:.0f} s old"
    if source.seconds > bounds.source_lag:
        return Finding(
            check,
            "failed",
            f"{detail}; the bound is {bounds.source_lag:g} s",
            "see the check dispatch: intake waits while too much is open; or Postgres is slow",
        )
    if source.held_back:
        return Finding(
            check,
            "warning",
            f"{detail}; intake waits because too many dispatches are open",
            "see the check dispatch; the bounds are intake.max_open_dispatches and intake.max_open_bytes",
        )
    return Finding(check, "ok", detail)


def _daemons(leases: Mapping[str, str]) -> int:
    return sum(name.startswith(DAEMON_PREFIX) for name in leases)


def _leases(snapshot: Snapshot, store: StoreState, owner: str | None) -> Finding:
    mine = [name for name, holder in store.leases.items() if holder == owner]
    daemons = _daemons(store.leases)
    held = sum(
        name.startswith(PARTITION_PREFIX) and daemon_lease(holder) in store.leases
        for name, holder in store.leases.items()
    )
    if owner is None and not daemons:
        to_do = "start one: 'ntbridge run', or 'ntbridge dev' on one machine"
        return Finding("leases", "warning", "no daemon is running: nothing moves", to_do)
    detail = f"{daemons} daemons hold {held} of {PARTITIONS} partitions"
    if owner is not None:
        kinds = ", ".join(
            f"{count} {kind}" for kind, count in sorted(leases_by_kind(mine).items())
        )
        detail = f"this daemon holds {kinds or 'none'}; {detail}"
    reason = snapshot.parts.get("partitions")
    if reason is not None:
        detail = f"{detail}; {reason}"
    to_do = "see the log for partitions.store_unavailable and partitions.lost"
    if held == 0:
        return Finding("leases", "failed", f"{detail}: nothing is dispatched", to_do)
    if owner is not None and daemon_lease(owner) not in store.leases:
        return Finding("leases", "failed", f"{detail}: its leases have expired", to_do)
    if held < PARTITIONS:
        state: CheckState = "failed" if store.free_seconds > _TAKEOVER_SECONDS else "warning"
        waits = f"{detail}: events of the others wait"
        patience = "wait: the leases of dead daemons expire in seconds"
        return Finding("leases", state, waits, to_do if state == "failed" else patience)
    return Finding("leases", "ok", detail)


def _dispatch(snapshot: Snapshot, store: StoreState, bounds: HealthSettings) -> Finding:
    detail = (
        f"{store.open} dispatches open, the oldest {store.oldest:.0f} s, {store.waiting} wait for "
        "their target"
    )
    if store.queued:
        detail += f", {store.queued} for a slot"
    if store.gathering:
        detail += f", {store.gathering} are in open windows"
    reasons = [
        reason
        for each in snapshot.namespaces
        if (reason := snapshot.parts.get(part_name("dispatch", each.name)))
    ]
    if reasons:
        reason = reasons[0]
        to_do = "see the log for dispatch.store_unavailable; the daemon retries"
        return Finding("dispatch", "failed", f"{detail}; {reason}", to_do)
    late = store.window_delay > bounds.dispatch_lag
    if late:
        detail += f", the first of which should have closed {store.window_delay:.0f} s ago"
    if store.oldest > bounds.dispatch_lag or late:
        return Finding(
            "dispatch",
            "warning",
            f"{detail}; the bound is {bounds.dispatch_lag:g} s",
            "'ntbridge dispatches ls' shows the open ones and their last errors",
        )
    return Finding("dispatch", "ok", detail)


def _unreachable(store: StoreState, settings: Settings) -> list[Finding]:
    """Return a finding for each namespace of dispatches that the settings do not name."""
    return [
        Finding(
            part_name("dispatch", name),
            "warning",
            f"{count} dispatches wait: their namespace {name!r} is not in the settings",
            f"add it again to temporal.namespaces ({name}: {{…}}), and restart the daemons",
        )
        for name, count in store.unsettled.items()
        if name not in settings.temporal.each
    ]


def _dead_letters(store: StoreState) -> Finding:
    count = sum(store.letters.values())
    if not count:
        return Finding("dead letters", "ok", "none open")
    to_do = "see 'ntbridge dead-letters ls'; redrive or drop them"
    return Finding("dead letters", "warning", f"{count} open", to_do)


def _relay(
    snapshot: Snapshot, store: StoreState, owner: str | None, bounds: HealthSettings
) -> Finding:
    detail = f"{store.relay_positions} result events to publish, the oldest {store.relay_seconds:.0f} s old"
    if (reason := snapshot.parts.get("relay")) and snapshot.nats is None:
        return Finding(
            "relay",
            "failed",
            f"{detail}; nothing is published: {reason}",
            "make room on the stream of results, or stop any other publisher to it; events stay "
            "stored and will be published afterwards",
        )
    if store.relay_seconds > bounds.relay_lag:
        return Finding(
            "relay",
            "failed",
            f"{detail}; the bound is {bounds.relay_lag:g} s",
            "see the log for relay.stopped, relay.refused and relay.interrupted: the stream of "
            "results is missing or full, or another program publishes to it",
        )
    if RELAY not in store.leases and (owner is not None or _daemons(store.leases)):
        to_do = "see the log for lease.store_unavailable"
        return Finding("relay", "failed", f"{detail}; no daemon publishes them", to_do)
    return Finding("relay", "ok", detail)


def _fence(store: StoreState) -> list[Finding]:
    if store.fence_seconds < _LONG_TRANSACTION:
        return [Finding("fence", "ok", "no long transaction on the events table")]
    return [
        Finding(
            "fence",
            "warning",
            f"a transaction of {store.fence_holder} has been open for "
            f"{store.fence_seconds:.0f} s and holds back all readers of the log",
            "end it: select pg_terminate_backend(pid)",
        )
    ]


def _parts(snapshot: Snapshot) -> list[Finding]:
    """Return the findings of parts whose failure does not stop the flow of events.

    A failure that follows from an unreachable server is not reported twice.
    """
    postgres, nats = snapshot.postgres, snapshot.nats
    rows: list[tuple[str, CheckState, bool, str, str]] = []
    for each in snapshot.namespaces:
        rows += [
            (
                part_name("emit", each.name),
                "failed",
                postgres is None and each.problem is None,
                "result events of workflows are not accepted",
                "see the log for emit.not_served; workflows retry",
            ),
            (
                part_name("closures", each.name),
                "warning",
                postgres is None and each.problem is None,
                "the ends of runs are not reported",
                "see the log for closures.temporal_unavailable; they are reported afterwards",
            ),
        ]
    rows += [
        (
            "dead-letter notices",
            "warning",
            postgres is None and nats is None,
            "dead letters are stored, their notices are not published",
            "see the stream DEADLETTERS: it is missing or full, or this user may not publish",
        ),
        (
            "retention",
            "warning",
            postgres is None,
            "old rows are not removed",
            "see the log for retention.store_unavailable",
        ),
    ]
    return [
        Finding(name, "ok", "no failure")
        if (reason := snapshot.parts.get(name)) is None
        else Finding(name, state, f"{what}: {reason}", to_do)
        for name, state, servers_answer, what, to_do in rows
        if servers_answer
    ]
