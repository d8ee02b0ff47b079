"""The metrics of Temporal's core about its clients and workers, exported with our own.

The core can export either to Prometheus, on a port of its own, or by OTLP. Here it buffers its
updates instead, and `CoreMetrics` records them in the process's meter: they are on the one
``/metrics`` and are exported by OTLP too. The names are the core's own (``temporal_request_latency``
…); Prometheus adds ``_total`` and ``_seconds``, as to ours.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import structlog
from opentelemetry.metrics import Meter
from temporalio.runtime import (
    BUFFERED_METRIC_KIND_COUNTER,
    BUFFERED_METRIC_KIND_HISTOGRAM,
    BufferedMetric,
    BufferedMetricUpdate,
    LogForwardingConfig,
    LoggingConfig,
    MetricBuffer,
    MetricBufferDurationFormat,
    Runtime,
    TelemetryConfig,
    TelemetryFilter,
)

from bridge.runtime.metrics import FAST, Metric

_log = structlog.get_logger(__name__)

_EVERY_SECONDS = 1.0
_BUFFER_SIZE = 100_000
"""Updates that the core buffers; more are dropped."""
_BUCKETS = (*FAST, 30.0, 60.0, 300.0, 1800.0)

Record = Callable[[float, Mapping[str, Any]], None]
_Update = tuple[BufferedMetric, float, Mapping[str, Any]]


def core_logging() -> LoggingConfig:
    """Send the logs of Temporal's core to `logging`; its default is standard output."""
    return LoggingConfig(
        TelemetryFilter(core_level="WARN", other_level="ERROR"),
        forwarding=LogForwardingConfig(
            logging.getLogger("temporal.core"), append_target_to_name=False
        ),
    )


class CoreMetrics:
    """A runtime for Temporal's clients; records its buffered metrics from `start` to `stop`.

    Args:
        meter: Records the core's metrics; None: the core measures nothing.
        table: Our metrics that workflow code records. It records them through the core, which
            ignores replays.
    """

    name = "temporal core metrics"

    def __init__(
        self,
        meter: Meter | None,
        table: Sequence[Metric] = (),
    ) -> None:
        self._meter = meter
        self._table = {metric.name: metric for metric in table}
        self._buffer: MetricBuffer | None = None
        if meter is not None:
            self._buffer = MetricBuffer(_BUFFER_SIZE, MetricBufferDurationFormat.SECONDS)
        self.runtime = Runtime(
            telemetry=TelemetryConfig(
                logging=core_logging(), metrics=self._buffer, attach_service_name=False
            )
        )
        self._records: dict[str, Record] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start to record buffered updates."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name=self.name)

    async def stop(self) -> None:
        """Record the last updates."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
            self.drain()

    async def _run(self) -> None:
        while True:
            self.drain()
            await asyncio.sleep(_EVERY_SECONDS)

    def drain(self) -> None:
        """Record the updates since the last call.

        Never raises: one bad update must stop neither the others nor the process.
        """
        if self._buffer is None:
            return
        for metric, value, attributes in _summed(self._buffer.retrieve_updates()):
            try:
                self._record(metric, value, attributes)
            except Exception:  # noqa: BLE001 - logged; concerns one update
                _log.exception("core_metrics.not_recorded", metric=metric.name)

    def _record(
        self, metric: BufferedMetric, value: float, attributes: Mapping[str, Any]
    ) -> None:
        record = self._records.get(metric.name)
        if record is None:
            record = self._records[metric.name] = self._instrument(metric)
        record(value, attributes)

    def _instrument(self, metric: BufferedMetric) -> Record:
        if self._meter is None:
            return lambda _value, _attributes: None
        ours = self._table.get(metric.name)
        name = metric.name
        buckets: tuple[float, ...] = _BUCKETS
        # The core writes "duration" where its buffer gives seconds.
        unit = "s" if metric.unit in ("duration", "s", "seconds") else ""
        meaning = metric.description or ""
        if ours is not None:
            name, unit, meaning, buckets = (
                ours.instrument,
                ours.ucum,
                ours.meaning,
                ours.buckets,
            )
        if metric.kind == BUFFERED_METRIC_KIND_COUNTER:
            return self._meter.create_counter(name, unit, meaning).add
        if metric.kind == BUFFERED_METRIC_KIND_HISTOGRAM:
            return self._meter.create_histogram(
                name, unit, meaning, explicit_bucket_boundaries_advisory=buckets
            ).record
        return self._meter.create_gauge(name, unit, meaning).set


def _summed(updates: Sequence[BufferedMetricUpdate]) -> Iterator[_Update]:
    """Yield what to record: of each series of a counter the sum, and all values of the others.

    Half of the updates count calls, which need not be recorded one by one.
    """
    sums: dict[tuple[int, int], _Update] = {}
    for update in updates:
        metric, value, attributes = update.metric, update.value, update.attributes
        if metric.kind != BUFFERED_METRIC_KIND_COUNTER:
            yield metric, value, attributes
            continue
        # The core uses one object for each metric and for each set of attributes.
        series = id(metric), id(attributes)
        if series in sums:
            value += sums[series][1]
        sums[series] = metric, value, attributes
    yield from sums.values()
