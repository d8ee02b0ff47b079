"""A table of metrics, and its instruments."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from opentelemetry.metrics import CallbackOptions, Counter, Histogram, Meter, Observation

Kind = Literal["counter", "gauge", "histogram"]

FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Buckets, in seconds, for durations of milliseconds."""
SLOW = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0, 86_400.0)
"""Buckets, in seconds, for durations with waits: for a queue, a server, a person."""

_SECONDS = "_seconds"
_TOTAL = "_total"


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of a table.

    Attributes:
        name: As Prometheus shows it, with ``_total`` and ``_seconds``. OpenTelemetry leaves the
            suffixes to the exporter.
        kind: Kind of instrument. A counter only grows during the life of a process.
        meaning: The description for operators.
        attributes: Its attributes; each must have few distinct values.
        buckets: Of a histogram: upper bounds, in its unit.
        unit: What is counted; for seconds the name says it.
    """

    name: str
    kind: Kind
    meaning: str
    attributes: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    unit: str = ""

    @property
    def instrument(self) -> str:
        """The name without the suffixes that Prometheus adds."""
        return self.name.removesuffix(_TOTAL).removesuffix(_SECONDS)

    @property
    def ucum(self) -> str:
        """The unit as OpenTelemetry writes it: ``s``, or the counted thing in braces."""
        if self.name.removesuffix(_TOTAL).endswith(_SECONDS):
            return "s"
        return f"{{{self.unit}}}" if self.unit else ""


Reading = float | None | Iterable[tuple[float, Mapping[str, str]]]
"""The value of a gauge: one, none, or one for each set of attributes."""


class Instruments:
    """The instruments of one table. Safe to use from any thread.

    Args:
        meter: Makes them.
        table: The metrics; every name given to the methods must be in it.
    """

    def __init__(self, meter: Meter, table: Sequence[Metric]) -> None:
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._readings: dict[str, Callable[[], Reading]] = {}
        for metric in table:
            self._make(meter, metric)

    def add(self, name: str, amount: float = 1, /, **attributes: str) -> None:
        """Add to a counter."""
        self._counters[name].add(amount, attributes)

    def record(self, name: str, value: float, /, **attributes: str) -> None:
        """Record a value in a histogram."""
        self._histograms[name].record(value, attributes)

    def read_from(self, name: str, reading: Callable[[], Reading]) -> None:
        """Read a gauge from a function, called at each collection.

        The function may be called in any thread and must not block.
        """
        if name not in self._readings:
            raise KeyError(name)
        self._readings[name] = reading

    def _make(self, meter: Meter, metric: Metric) -> None:
        name, unit, meaning = metric.instrument, metric.ucum, metric.meaning
        match metric.kind:
            case "counter":
                self._counters[metric.name] = meter.create_counter(name, unit, meaning)
            case "histogram":
                self._histograms[metric.name] = meter.create_histogram(
                    name, unit, meaning, explicit_bucket_boundaries_advisory=metric.buckets
                )
            case "gauge":
                self._readings[metric.name] = lambda: None
                meter.create_observable_gauge(
                    name, [self._observer(metric.name)], unit, meaning
                )

    def _observer(self, name: str) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            reading = self._readings[name]()
            if reading is None:
                return []
            if isinstance(reading, int | float):
                return [Observation(reading)]
            return [Observation(value, attributes) for value, attributes in reading]

        return observe


def as_markdown(table: Sequence[Metric]) -> str:
    """Return the table as documentation shows it."""
    lines = ["| metric | kind | by | meaning |", "|---|---|---|---|"]
    for metric in table:
        by = ", ".join(f"`{name}`" for name in metric.attributes)
        lines.append(f"| `{metric.name}` | {metric.kind} | {by} | {metric.meaning} |")
    return "\n".join(lines)
