"""`Measured`: telemetry as metrics."""

from collections import Counter
from collections.abc import Iterable, Sequence

from opentelemetry.metrics import Meter
from typing_extensions import override

from bridge.operations.base import Dispatch
from bridge.operations.outcomes import Outcome
from bridge.routes.table import PlannedDispatch
from bridge.runtime.metrics import Instruments
from bridge.telemetry import Telemetry
from bridge.telemetry.metrics import METRICS

_RESTARTED = ("daemon", "nats", "relay")


class Measured(Telemetry):
    """Counts and times what happened, in OpenTelemetry instruments."""

    def __init__(self, meter: Meter) -> None:
        self.instruments = Instruments(meter, METRICS)
        for part in _RESTARTED:
            # A series that starts at 0 shows the first restart as an increase.
            self.instruments.add("ntbridge_restarts_total", 0, part=part)

    @override
    def received(self, source: str, messages: int) -> None:
        self.instruments.add("ntbridge_events_received_total", messages, source=source)

    @override
    def removed(self, source: str, messages: int) -> None:
        self.instruments.add("ntbridge_source_messages_removed_total", messages, source=source)

    @override
    def recorded(
        self,
        source: str,
        verdicts: Sequence[str],
        planned: Iterable[PlannedDispatch],
        seconds: float,
    ) -> None:
        for verdict, events in Counter(verdicts).items():
            self.instruments.add(
                "ntbridge_events_recorded_total", events, source=source, outcome=verdict
            )
        routes = Counter((dispatch.route, dispatch.operation) for dispatch in planned)
        for (route, operation), dispatches in routes.items():
            self.instruments.add(
                "ntbridge_dispatches_planned_total",
                dispatches,
                route=route,
                operation=operation,
            )
        self.instruments.record("ntbridge_record_duration_seconds", seconds, source=source)

    @override
    def called(self, dispatch: Dispatch, outcome: Outcome, seconds: float) -> None:
        self.instruments.record(
            "ntbridge_dispatch_call_duration_seconds", seconds, operation=dispatch.operation
        )
        if outcome.error is not None:
            self.instruments.add(
                "ntbridge_dispatch_failures_total",
                route=dispatch.route,
                kind=outcome.code or outcome.state,
            )

    @override
    def settled(self, group: Sequence[tuple[Dispatch, Outcome]]) -> None:
        ended = [each for each in group if each[1].is_final]
        counts = Counter((one.route, one.operation, outcome.state) for one, outcome in ended)
        for (route, operation, state), dispatches in counts.items():
            self.instruments.add(
                "ntbridge_dispatches_settled_total",
                dispatches,
                route=route,
                operation=operation,
                outcome=state,
            )
        for dispatch, _ in ended:
            waited = max(0.0, (dispatch.now - dispatch.planned_at).total_seconds())
            self.instruments.record(
                "ntbridge_dispatch_duration_seconds", waited, route=dispatch.route
            )

    @override
    def relayed(self, events: int) -> None:
        self.instruments.add("ntbridge_results_relayed_total", events)

    @override
    def evaluation_ended(self, reason: str, times: int = 1) -> None:
        self.instruments.add("ntbridge_evaluation_children_ended_total", times, reason=reason)

    @override
    def restarted(self, part: str) -> None:
        self.instruments.add("ntbridge_restarts_total", part=part)
