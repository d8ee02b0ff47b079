"""The daemon's metrics and traces.

The pipelines call `Telemetry` where an outcome is a value; they use neither metrics nor traces
otherwise. Modules: `measured` (counts in metrics), `traced` (adds spans), `metrics` and `spans`
(the tables of all names).
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

from bridge.operations.base import Dispatch
from bridge.operations.outcomes import Outcome
from bridge.routes.table import PlannedDispatch
from bridge.telemetry.metrics import METRICS
from bridge.telemetry.spans import SPANS
from eventstore.events import Event, StoredEvent

__all__ = ["METRICS", "NO_TELEMETRY", "SPANS", "ReceivedMessage", "Telemetry"]


class ReceivedMessage(NamedTuple):
    """A received message, reduced to what its trace needs."""

    topic: str
    headers: Mapping[str, str]
    size: int
    event: Event | None
    refused: str | None
    """The code of its dead letter; None if it does not become one."""


class Telemetry:
    """Records what happened. This base class discards it; no method waits or raises."""

    def received(self, source: str, messages: int) -> None:
        """Count messages that were fetched."""

    def removed(self, source: str, messages: int) -> None:
        """Count messages that left the stream before they were recorded."""

    def taking_in(
        self,
        source: str,  # noqa: ARG002 - subclasses use it
        arrivals: Iterable[ReceivedMessage],  # noqa: ARG002 - subclasses use it
    ) -> AbstractContextManager[Sequence[str | None]]:
        """Surround the recording of a batch; yield the trace that each event's dispatches continue.

        Yields an empty sequence, without reading ``arrivals``, when tracing is off.
        """
        return nullcontext(())

    def dispatching(
        self,
        dispatch: Dispatch,  # noqa: ARG002 - subclasses use it
        event: StoredEvent,  # noqa: ARG002 - subclasses use it
    ) -> AbstractContextManager[None]:
        """Surround an attempt of a dispatch, including `called`."""
        return nullcontext()

    def relaying(
        self,
        events: Sequence[StoredEvent],  # noqa: ARG002 - subclasses use it
    ) -> AbstractContextManager[Sequence[Mapping[str, str]]]:
        """Surround the publishing of events; yield the headers that continue each event's trace.

        Yields an empty sequence when tracing is off.
        """
        return nullcontext(())

    def recorded(
        self,
        source: str,
        verdicts: Sequence[str],
        planned: Iterable[PlannedDispatch],
        seconds: float,
    ) -> None:
        """Record a committed batch: each message's outcome, and the planned dispatches."""

    def called(self, dispatch: Dispatch, outcome: Outcome, seconds: float) -> None:
        """Record one attempt of a dispatch."""

    def settled(self, group: Sequence[tuple[Dispatch, Outcome]]) -> None:
        """Record the committed outcomes of dispatches."""

    def relayed(self, events: int) -> None:
        """Count result events that NATS acknowledged."""

    def evaluation_ended(self, reason: str, times: int = 1) -> None:
        """Count child processes that ended while they evaluated events, for this reason."""

    def restarted(self, part: str) -> None:
        """Count a restart of this component."""


NO_TELEMETRY = Telemetry()
