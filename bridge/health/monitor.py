"""The monitor: probe every few seconds, from the daemon's start to its end."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from importlib.metadata import version

import structlog
from typing_extensions import override

from bridge.dispatch.dispatcher import Dispatcher
from bridge.health import readings
from bridge.health.checks import SERVERS, judge
from bridge.health.clock import ClockWatch
from bridge.health.codec import codec_in_use
from bridge.health.flow_checks import leases_by_kind
from bridge.health.limit_gauges import held_back, limits_held
from bridge.health.probes import Parts, look
from bridge.health.snapshot import Problem, Snapshot, SourceState, StoreState
from bridge.lifecycle.lease_names import KINDS
from bridge.lifecycle.services import TaskService
from bridge.routes.live import LiveRoutes
from bridge.runtime.findings import CheckState, Finding, alive, as_json, is_ready, readiness
from bridge.runtime.http import HttpResponse, Page
from bridge.runtime.metrics import Instruments, Reading
from bridge.settings.schema import Settings

log = structlog.get_logger(__name__)


class HealthMonitor(TaskService):
    """Keeps the last snapshot and shows its findings on pages and in gauges.

    Args:
        settings: The interval between probes, and the bounds.
        routes: The routes in force.
        until: Set when the daemon must stop; from then on it is not ready.
    """

    def __init__(self, settings: Settings, routes: LiveRoutes, until: asyncio.Event) -> None:
        super().__init__("monitor")
        self._settings = settings
        self._routes = routes
        self._until = until
        self._parts: Parts | None = None
        self._snapshot: Snapshot | None = None
        self._clock = ClockWatch()
        self._looked_at = 0.0
        self._looked_at_all = 0.0
        self._began = datetime.now(UTC)
        self._looking = asyncio.Lock()
        self._waits_for_postgres: Problem | None = None
        self._starting = True
        self._quiet_until = 0.0
        self._failed: set[str] | None = None
        self._blind: str | None = None
        self._asked: set[asyncio.Task[None]] = set()

    def waits_for_postgres(self, problem: Problem) -> None:
        """Record that the daemon cannot be built yet."""
        self._waits_for_postgres = problem

    def over(self, parts: Parts | None) -> None:
        """Probe these parts from now on; None after the daemon was stopped."""
        self._parts, self._snapshot = parts, None
        self._waits_for_postgres = None
        self._starting = True
        self._quiet_until = asyncio.get_running_loop().time() + _STARTS_WITHIN

    def started(self) -> None:
        """Record that every part does its work."""
        self._starting = False

    @override
    async def run(self) -> None:
        """Probe in intervals until stopped."""
        self.ready()
        while not self.stopping.is_set():
            try:
                await self._look()
                self._blind = None
            except Exception as error:
                # A probe that fails must be reported, but must not stop the daemon.
                self._blind = f"{type(error).__name__}: {error}"
                log.exception("health.probes_failed")
            self._say_when_it_changes()
            await self.pause(self._settings.health.every if self._snapshot else _UNTIL_SEEN)
        for looking in self._asked:
            looking.cancel()

    def findings(self) -> list[Finding]:
        """Return the last findings."""
        return [*self._life(), self._judged_routes(), *self._judged_snapshot()]

    def show_in(self, instruments: Instruments) -> None:
        """Show the last snapshot in gauges."""

        def store(read: Callable[[StoreState], Reading]) -> Callable[[], Reading]:
            def reading() -> Reading:
                seen = None if self._snapshot is None else self._snapshot.store
                return None if seen is None else read(seen)

            return reading

        def sources(read: Callable[[SourceState], float]) -> Callable[[], Reading]:
            return lambda: [
                (float(read(source)), {"source": source.name})
                for source in (() if self._snapshot is None else self._snapshot.sources)
                if source.led
            ]

        def dispatch(read: Callable[[Dispatcher], float]) -> Callable[[], Reading]:
            return lambda: [
                (float(read(each)), {"temporal_namespace": self._name_of(each.namespace)})
                for each in (() if self._parts is None else self._parts.dispatchers)
            ]

        gauges: dict[str, Callable[[], Reading]] = {
            "ntbridge_dispatch_in_flight": dispatch(lambda part: part.in_flight),
            "ntbridge_dispatch_in_flight_limit": dispatch(lambda part: part.pace.limit),
            "ntbridge_source_lag_messages": sources(lambda source: source.messages),
            "ntbridge_source_lag_seconds": sources(lambda source: source.seconds),
            "ntbridge_source_held_back": sources(lambda source: source.held_back),
            "ntbridge_route_limit_held": lambda: limits_held(self._routes.table, self._parts),
            "ntbridge_dispatches_held_back": lambda: held_back(self._routes.table, self._parts),
            "ntbridge_dispatches_open": store(lambda seen: seen.open),
            "ntbridge_dispatches_waiting": store(lambda seen: seen.waiting),
            "ntbridge_dispatches_queued": store(lambda seen: self._of_slots(seen.queues)),
            "ntbridge_slots_held": store(lambda seen: self._of_slots(seen.slots)),
            "ntbridge_dispatches_gathering": store(lambda seen: seen.gathering),
            "ntbridge_windows_open": store(lambda seen: seen.windows),
            "ntbridge_window_delay_seconds": store(lambda seen: seen.window_delay),
            "ntbridge_dispatch_oldest_seconds": store(lambda seen: seen.oldest),
            "ntbridge_dead_letters_open": store(readings.letters),
            "ntbridge_relay_lag_positions": store(lambda seen: seen.relay_positions),
            "ntbridge_relay_lag_seconds": store(lambda seen: seen.relay_seconds),
            "ntbridge_fence_age_seconds": store(lambda seen: seen.fence_seconds),
            "ntbridge_table_bytes": store(readings.table_bytes),
            "ntbridge_table_dead_ratio": store(readings.dead_ratios),
            "ntbridge_leases_held": self._leases,
            "ntbridge_pauses": store(readings.pauses),
            "ntbridge_check_state": self._check_states,
            "ntbridge_source_attached": self._attached,
            "ntbridge_stream_fill_ratio": lambda: [
                (stream.fill, {"stream": stream.name})
                for stream in (() if self._snapshot is None else self._snapshot.streams)
            ],
            "ntbridge_task_queue_pollers": lambda: [
                (
                    float(queue.pollers),
                    {
                        "task_queue": queue.name,
                        "temporal_namespace": self._name_of(queue.namespace),
                    },
                )
                for queue in (() if self._snapshot is None else self._snapshot.all_queues)
                if queue.pollers is not None
            ],
            "ntbridge_clock_skew_seconds": lambda: (
                None
                if self._snapshot is None or self._snapshot.server is None
                else self._snapshot.server.skew_seconds
            ),
            "ntbridge_routes": lambda: len(self._routes.table.routes),
            "ntbridge_routes_kept": lambda: float(self._routes.problem is not None),
            "ntbridge_ready": lambda: float(is_ready(self.findings())),
        }
        for name, reading in gauges.items():
            instruments.read_from(name, reading)

    def pages(self) -> dict[str, Page]:
        """Return the health pages by path."""
        return {"/livez": alive, "/readyz": self._readyz, "/status": self._status}

    async def _readyz(self) -> HttpResponse:
        await self._look_if_old()
        return readiness(self.findings())

    async def _status(self) -> HttpResponse:
        await self._look_if_old()
        findings, parts, snapshot = self.findings(), self._parts, self._snapshot
        return as_json(
            {
                "version": version("nats-temporal-bridge"),
                "since": self._began.isoformat(timespec="seconds"),
                "daemon": None if parts is None else parts.owner,
                "ready": is_ready(findings),
                "nats": self._settings.nats.shown_url,
                "temporal": self._settings.temporal.address,
                "namespace": self._settings.temporal.namespace,
                "namespaces": {
                    name: {"address": each.address, "namespace": each.namespace}
                    for name, each in self._settings.temporal.namespaces.items()
                },
                "postgres": self._settings.database.shown_url,
                "insecure": self._settings.insecure,
                "codec": {
                    self._name_of(name): codec_in_use(
                        gateway.codec, self._settings.temporal.each[name].codec.remote
                    )
                    for name, gateway in ({} if parts is None else parts.gateways).items()
                },
                "routes": {
                    "file": str(self._settings.routes),
                    "in_force": [route.name for route in self._routes.table.routes],
                    "reloads": self._routes.reloads,
                    "problem": self._routes.problem,
                },
                "checks": [dict(finding.row()) for finding in findings],
                "sources": [asdict(each) for each in snapshot.sources] if snapshot else None,
                "streams": [asdict(each) for each in snapshot.streams] if snapshot else None,
                "task_queues": [asdict(each) for each in snapshot.all_queues]
                if snapshot
                else None,
                "server": asdict(snapshot.server) if snapshot and snapshot.server else None,
                "store": asdict(snapshot.store) if snapshot and snapshot.store else None,
            }
        )

    def _of_slots(self, seen: Mapping[str, int]) -> Reading:
        """Return a reading for each route with slots, also of those that have none now."""
        routes = (each.name for each in self._routes.table.routes if each.concurrency)
        names = sorted({*routes, *seen})
        return [(float(seen.get(name, 0)), {"route": name}) for name in names]

    def _name_of(self, namespace: str) -> str:
        """Return the name of a namespace that plans call so."""
        return namespace or self._settings.temporal.namespace

    async def _look_if_old(self) -> None:
        """Probe again if the last snapshot is older than a second."""
        age = asyncio.get_running_loop().time() - self._looked_at
        if self._parts is None or age <= _FRESH_SECONDS or self.stopping.is_set():
            return
        # Liveness and readiness probes time out quickly: show the last snapshot if a server is slow.
        looking = asyncio.create_task(self._look())
        self._asked.add(looking)
        looking.add_done_callback(self._asked.discard)
        await asyncio.wait({looking}, timeout=_PROBE_SECONDS)

    async def _look(self) -> None:
        async with self._looking:
            parts = self._parts
            if parts is None:
                return
            now = asyncio.get_running_loop().time()
            is_due = now - self._looked_at_all >= _SLOW * self._settings.health.every
            snapshot = await look(parts, None if is_due else self._snapshot)
            if parts is not self._parts:
                return
            now = asyncio.get_running_loop().time()
            self._looked_at_all = now if is_due else self._looked_at_all
            went_back = self._clock.went_back(snapshot.database_time, now)
            self._snapshot = replace(snapshot, clock_went_back=went_back)
            self._looked_at = now

    def _life(self) -> list[Finding]:
        if self._until.is_set():
            return [Finding(_LIFE, "failed", "stopping", "nothing: it received a signal")]
        if self._waits_for_postgres is not None:
            problem = self._waits_for_postgres
            return [
                Finding(_LIFE, "failed", "waits for Postgres"),
                Finding("postgres", "failed", problem.what, problem.to_do),
            ]
        if self._blind is not None:
            return [Finding(_LIFE, "failed", f"cannot probe: {self._blind}", "report this")]
        if self._starting:
            return [Finding(_LIFE, "failed", "starting", "see the other failed checks")]
        if self._snapshot is None:
            return [Finding(_LIFE, "failed", "nothing is probed yet", "wait a moment")]
        return [Finding(_LIFE, "ok", "all its parts are running")]

    def _judged_routes(self) -> Finding:
        names = ", ".join(route.name for route in self._routes.table.routes) or "none"
        if self._routes.problem is None:
            return Finding("routes", "ok", f"in force: {names}")
        return Finding(
            "routes",
            "warning",
            f"the file is invalid, the old routes stay in force ({names}): {self._routes.problem}",
            "correct the file; it is loaded within a second or two",
        )

    def _judged_snapshot(self) -> Sequence[Finding]:
        if self._snapshot is None or self._parts is None:
            return ()
        return judge(self._snapshot, self._parts.owner, self._settings)

    def _leases(self) -> Reading:
        seen = None if self._snapshot is None else self._snapshot.store
        owner = None if self._parts is None else self._parts.owner
        held = {} if seen is None else seen.leases
        mine = leases_by_kind(name for name, holder in held.items() if holder == owner)
        # Zeros too, from the start: an alert cannot compare with a series that does not exist.
        return [
            (count, {"kind": kind}) for kind, count in (dict.fromkeys(KINDS, 0) | mine).items()
        ]

    def _check_states(self) -> Reading:
        # Not probed yet counts as failed; the series exist from the start.
        states: dict[str, CheckState] = dict.fromkeys(SERVERS, "failed")
        states |= {each.check: each.state for each in self.findings()}
        return [(_STATES[state], {"check": check}) for check, state in states.items()]

    def _attached(self) -> Reading:
        seen = () if self._snapshot is None else self._snapshot.sources
        fetched = {source.name for source in seen if source.attached}
        return [
            (float(source.name in fetched), {"source": source.name})
            for source in self._settings.intake.sources
        ]

    def _say_when_it_changes(self) -> None:
        """Log each check that fails newly, and the moment when none fails any more."""
        failed = [each for each in self.findings() if each.state == "failed"]
        if asyncio.get_running_loop().time() < self._quiet_until:
            # A daemon that starts holds no lease yet and fetches nothing: only servers are worth a line.
            failed = [each for each in failed if each.check in (*SERVERS, _LIFE)]
        names = {finding.check for finding in failed}
        for finding in failed:
            # Starting and stopping are logged elsewhere.
            if finding.check not in (self._failed or ()) and finding.check != _LIFE:
                log.warning(
                    "health.not_ready",
                    check=finding.check,
                    detail=finding.detail,
                    to_do=finding.to_do,
                )
        if not names:
            self._quiet_until = 0.0
            if self._failed != set():
                log.info("health.ready")
        self._failed = names


_LIFE = "daemon"
_STATES: dict[CheckState, float] = {"ok": 0.0, "warning": 1.0, "failed": 2.0}
_SLOW = 6
"""Search attributes and task queues are probed in every sixth probe."""
_FRESH_SECONDS = 1.0
_STARTS_WITHIN = 30.0
"""Seconds after a start in which nothing is said of parts that are not ready."""
_PROBE_SECONDS = 0.8
_UNTIL_SEEN = 0.5
