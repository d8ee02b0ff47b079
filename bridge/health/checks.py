"""Checks of a snapshot: servers, streams, tables. Pure.

The daemon and ``ntbridge doctor`` use the same checks, so that a finding has one wording.
"""

from bridge.health.flow_checks import flow
from bridge.health.snapshot import (
    NamespaceState,
    Problem,
    QueueState,
    ServerState,
    Snapshot,
    StreamState,
)
from bridge.lifecycle.services import part_name
from bridge.runtime.encryption import encryption_finding
from bridge.runtime.findings import CheckState, Finding
from bridge.settings.encryption import plain_connections
from bridge.settings.schema import NamespacesSettings, Settings

_MIN_FREE_CONNECTIONS = 3
_XID_WARNING = 1_500_000_000
_XID_STOP = 2_100_000_000
"""Postgres stops all writes three million before 2**31."""
_MAX_SKEW_SECONDS = 5.0
_MAX_BACK_SECONDS = 1.0
_NEARLY_FULL = 0.9
_EXPIRES_SOON_DAYS = 14

SERVERS = ("postgres", "nats", "temporal")
"""The checks that every probe has."""


def judge(snapshot: Snapshot, owner: str | None, settings: Settings) -> list[Finding]:
    """Return the findings of a snapshot.

    Args:
        snapshot: The result of a probe.
        owner: The owner of this daemon's leases; None outside a daemon.
        settings: The configuration and the bounds.
    """
    return [
        *_postgres(snapshot, settings.database.shown_url),
        *_schema(snapshot, is_daemon=owner is not None),
        *_clock(snapshot),
        _server("nats", snapshot.nats, f"{settings.nats.shown_url} answers"),
        *_jetstream(snapshot),
        *(_stream(each, snapshot, settings) for each in snapshot.streams),
        *(
            finding
            for each in snapshot.namespaces
            for finding in _namespace(each, settings.temporal)
        ),
        *flow(snapshot, owner, settings),
        encryption_finding(plain_connections(settings), insecure=settings.insecure),
        *_certificates(snapshot),
    ]


def _certificates(snapshot: Snapshot) -> list[Finding]:
    """Return a finding if the settings have certificates."""
    if not snapshot.certificates:
        return []
    each_by_expiry = sorted(snapshot.certificates, key=lambda each: each.days_left)
    first = each_by_expiry[0]
    if first.days_left >= _EXPIRES_SOON_DAYS:
        detail = f"the first to expire, on {first.expires:%Y-%m-%d}: {first.setting}"
        return [Finding("certificates", "ok", detail)]
    soon = [
        f"{each.setting} {'expires' if each.days_left > 0 else 'expired'} on {each.expires:%Y-%m-%d}"
        for each in each_by_expiry
        if each.days_left < _EXPIRES_SOON_DAYS
    ]
    to_do = "renew it in its place: the next connection uses the new one, without a restart"
    return [Finding("certificates", "warning", "; ".join(soon), to_do)]


def _server(name: str, problem: Problem | None, detail: str = "answers") -> Finding:
    if problem is None:
        return Finding(name, "ok", detail)
    return Finding(name, "failed", problem.what, problem.to_do)


def _postgres(snapshot: Snapshot, url: str) -> list[Finding]:
    server = snapshot.server
    if snapshot.postgres is not None or server is None:
        return [_server("postgres", snapshot.postgres)]
    detail = f"{url} answers, version {server.version}"
    if warned := _server_problem(server):
        return [Finding("postgres", "warning", f"{detail}; {warned.what}", warned.to_do)]
    if server.xid_age >= _XID_STOP:
        return [Finding("postgres", "failed", _xids(server), _VACUUM)]
    return [Finding("postgres", "ok", detail)]


_VACUUM = (
    "vacuum the oldest databases as a superuser: see 'Preventing Transaction ID Wraparound'"
)


def _xids(server: ServerState) -> str:
    return (
        f"the oldest transaction id is {server.xid_age} transactions old: Postgres stops all "
        "writes shortly before 2147483648"
    )


def _server_problem(server: ServerState) -> Problem | None:
    if server.without_standby:
        return Problem(
            "commits wait for a synchronous standby, and none is connected",
            "start the standby, or remove it from synchronous_standby_names",
        )
    if server.usable - server.connections < _MIN_FREE_CONNECTIONS:
        return Problem(
            f"{server.connections} of {server.usable} connections are in use",
            "raise max_connections, or reduce the connections of other programs",
        )
    if _XID_WARNING <= server.xid_age < _XID_STOP:
        return Problem(_xids(server), _VACUUM)
    return None


def _schema(snapshot: Snapshot, *, is_daemon: bool) -> list[Finding]:
    if snapshot.schema is None:
        return [] if snapshot.store is None else [Finding("schema", "ok", "up to date")]
    # A running daemon keeps working; a daemon of this release could no longer start.
    state: CheckState = "warning" if is_daemon and snapshot.schema_is_newer else "failed"
    return [Finding("schema", state, snapshot.schema.what, snapshot.schema.to_do)]


def _clock(snapshot: Snapshot) -> list[Finding]:
    if snapshot.server is None:
        return []
    if snapshot.clock_went_back > _MAX_BACK_SECONDS:
        return [
            Finding(
                "clock",
                "warning",
                f"the database's clock went back by {snapshot.clock_went_back:.0f} s: retries "
                "and waits that began before may end a minute late",
                "keep the servers' clocks in step by NTP, configured to slew instead of stepping back",
            )
        ]
    skew = snapshot.server.skew_seconds
    detail = f"the database's clock is {abs(skew):.1f} s {'ahead' if skew > 0 else 'behind'}"
    if abs(skew) > _MAX_SKEW_SECONDS:
        to_do = "keep the clocks of this machine and of the database's server in step (NTP)"
        return [Finding("clock", "warning", f"{detail} of this machine's", to_do)]
    return [Finding("clock", "ok", f"{detail} of this machine's")]


def _jetstream(snapshot: Snapshot) -> list[Finding]:
    if snapshot.nats is not None:
        return []
    return [_server("jetstream", snapshot.jetstream)]


def _stream(stream: StreamState, snapshot: Snapshot, settings: Settings) -> Finding:
    check = f"stream {stream.name}"
    # Not needed for the flow: dead letters are kept in Postgres, and replays can wait.
    needed = {
        settings.nats.stream(settings.nats.streams.results),
        *(each.stream.name for each in snapshot.sources if each.stream is not None),
    }
    broken: CheckState = "failed" if stream.name in needed else "warning"
    if stream.problem is not None:
        return Finding(check, broken, stream.problem.what, stream.problem.to_do)
    if stream.refuses:
        return Finding(
            check,
            broken,
            f"it takes no message: {stream.refuses}",
            "raise its limits ('nats stream edit', nats.max_stream_bytes for new ones) or remove "
            "messages that are no longer needed; the bridge then publishes what is waiting",
        )
    detail = f"{stream.messages} messages, {stream.bytes} bytes"
    if stream.fill >= _NEARLY_FULL:
        to_do = "raise its limit, or shorten max_age"
        return Finding(check, "warning", f"{detail}; nearly full: {stream.limit}", to_do)
    return Finding(check, "ok", detail)


def _namespace(state: NamespaceState, settings: NamespacesSettings) -> list[Finding]:
    mine = settings.each.get(state.name, settings)
    findings = [
        _server(part_name("temporal", state.name), state.problem, f"{mine.address} answers")
    ]
    if state.problem is None and state.attributes is not None:
        problem = state.attributes[0] if state.attributes else None
        check = part_name("search attributes", state.name)
        findings.append(_server(check, problem, "registered"))
    return [*findings, *(_queue(each) for each in state.queues)]


def _queue(queue: QueueState) -> Finding:
    name = f"{queue.namespace}/{queue.name}" if queue.namespace else queue.name
    check, routes = f"task queue {name}", ", ".join(queue.routes)
    if queue.pollers is None:
        return Finding(
            check,
            "warning",
            "Temporal does not report its pollers",
            "allow this client to call DescribeTaskQueue",
        )
    if queue.pollers == 0:
        return Finding(
            check,
            "warning",
            f"no worker polls it: runs of the routes {routes} start and wait",
            f"start a worker for the task queue {queue.name!r}, or correct task_queue in the "
            "routes",
        )
    return Finding(check, "ok", f"{queue.pollers} workers poll it")
