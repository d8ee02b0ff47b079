"""What the daemon tells about itself while it works.

`Telemetry` is told what happened at the few places where outcomes are values; the pipelines
know no more of metrics and traces than that. `METRICS` and `SPANS` are the tables of all names.
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

__all__ = ["METRICS", "NO_TELEMETRY", "SPANS", "Arrival", "Telemetry"]


class Arrival(NamedTuple):
    """A message that came in, as far as its trace is concerned."""

    topic: str
    headers: Mapping[str, str]
    size: int
    event: Event | None
    refused: str | None
    """Why it becomes a dead letter, if it does: the code."""


class Telemetry:
    """Is told what happened. This one keeps nothing of it; no method ever waits or raises."""

    def received(self, source: str, messages: int) -> None:
        """So many messages were fetched."""

    def removed(self, source: str, messages: int) -> None:
        """So many messages left the stream before they were recorded."""

    def taking_in(
        self,
        source: str,  # noqa: ARG002 - for others to hear
        arrivals: Iterable[Arrival],  # noqa: ARG002 - likewise
    ) -> AbstractContextManager[Sequence[str | None]]:
        """Surround the recording of a batch; gives the trace each dispatch of it goes on with.

        Gives nothing at all when nobody traces; ``arrivals`` is not read then.
        """
        return nullcontext(())

    def dispatching(
        self,
        dispatch: Dispatch,  # noqa: ARG002 - likewise
        event: StoredEvent,  # noqa: ARG002 - likewise
    ) -> AbstractContextManager[None]:
        """Surround an attempt of a dispatch, `called` included."""
        return nullcontext()

    def relaying(
        self,
        events: Sequence[StoredEvent],  # noqa: ARG002 - likewise
    ) -> AbstractContextManager[Sequence[Mapping[str, str]]]:
        """Surround the publishing of events; gives the headers that continue each one's trace.

        Gives nothing at all when nobody traces.
        """
        return nullcontext(())

    def recorded(
        self,
        source: str,
        verdicts: Sequence[str],
        planned: Iterable[PlannedDispatch],
        seconds: float,
    ) -> None:
        """A batch was committed: what each message came to, and what is to be dispatched."""

    def called(self, dispatch: Dispatch, outcome: Outcome, seconds: float) -> None:
        """A dispatch was attempted."""

    def settled(self, group: Sequence[tuple[Dispatch, Outcome]]) -> None:
        """What became of dispatches was committed."""

    def relayed(self, events: int) -> None:
        """So many result events were acknowledged by NATS."""

    def evaluation_ended(self, reason: str, times: int = 1) -> None:
        """A child that evaluated events ended in the middle of its work, for this reason."""

    def restarted(self, part: str) -> None:
        """Something had to begin anew."""


NO_TELEMETRY = Telemetry()
