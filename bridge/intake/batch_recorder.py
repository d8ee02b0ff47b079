"""Records a judged batch: adds traces, splits large batches, retries, isolates failures."""

from collections.abc import Awaitable, Callable, Sequence
from time import perf_counter
from typing import NamedTuple

import structlog

from bridge.dispatch.handover import Fresh
from bridge.intake.decision import Accepted, Counted, Judged, PassedOver, SetAside, unrecordable
from bridge.intake.observation import arrival_of, traced
from bridge.intake.recorded import Recorded
from bridge.intake.recorder import Recorder
from bridge.settings.schema import SourceSettings
from bridge.sql import in_pieces
from bridge.telemetry import Telemetry
from eventstore.errors import Deposed, InvalidEvent, Unavailable
from eventstore.leases import Lease

log = structlog.get_logger(__name__)


class Planned(NamedTuple):
    """The planned dispatches of a batch."""

    number: int
    fresh: Sequence[Fresh]
    """If asked for: those whose keys had nothing open or waiting."""


class BatchRecorder:
    """Records the batches of one source.

    Args:
        source: The source.
        recorder: Writes event, plan and dead letters in one commit.
        telemetry: Receives the verdict of each delivery.
        wait_out: Called with an error and the number of held deliveries when the store is
            unavailable. It returns for a retry, or raises the error when stopping.
    """

    def __init__(
        self,
        source: SourceSettings,
        recorder: Recorder,
        telemetry: Telemetry,
        wait_out: Callable[[Unavailable, int], Awaitable[None]],
    ) -> None:
        self._source = source
        self._recorder = recorder
        self._telemetry = telemetry
        self._wait_out = wait_out

    async def record(
        self, judged: Sequence[Judged], lease: Lease, *, fresh: bool
    ) -> Planned | None:
        """Record a batch in its own trace, and return the dispatches that it planned.

        With ``fresh``, the result has `Planned.fresh`.

        Return None if intake stopped before it recorded the whole batch; JetStream delivers it again.

        Raises:
            Deposed: The lease of the source is lost; another daemon records the rest.
        """
        arrivals = (arrival_of(each) for each in judged)
        try:
            with self._telemetry.taking_in(self._source.name, arrivals) as traces:
                if traces:
                    pairs = zip(judged, traces, strict=True)
                    judged = [traced(each, trace) for each, trace in pairs]
                pieces = in_pieces(judged, _size)
                return _sum([await self._record(piece, lease, fresh=fresh) for piece in pieces])
        except Unavailable:
            # Stopped without a database: nothing was acknowledged, so all is delivered again.
            return None

    async def _record(
        self, judged: Sequence[Judged], lease: Lease, *, fresh: bool = False
    ) -> Planned:
        """Record deliveries in one commit, with retries, and return the dispatches they planned."""
        while True:
            began = perf_counter()
            try:
                recorded = await self._recorder.record(
                    judged, lease, self._source.durable, fresh=fresh
                )
            except Deposed:
                # Another daemon fetches this source now and records these deliveries.
                raise
            except Unavailable as error:
                # Safe whether or not the commit happened: a retry writes the same rows.
                await self._wait_out(error, len(judged))
            except InvalidEvent as error:
                # One of them can never be stored.
                return await self._isolate(judged, lease, error)
            except Exception as error:
                log.exception("intake.not_recordable", deliveries=len(judged))
                return await self._isolate(judged, lease, error)
            else:
                self._report(judged, recorded, perf_counter() - began)
                return Planned(recorded.planned, recorded.fresh)

    async def _isolate(
        self, judged: Sequence[Judged], lease: Lease, error: Exception
    ) -> Planned:
        """Find the delivery that cannot be recorded and make it a dead letter with its bytes."""
        if len(judged) > 1:
            half = len(judged) // 2
            # This is rare: what they plan is read from the table.
            halves = judged[:half], judged[half:]
            return _sum([await self._record(each, lease) for each in halves])
        match judged[0]:
            case Accepted(delivery=delivery) | Counted(delivery=delivery):
                return await self._record([unrecordable(delivery, error)], lease)
            case SetAside() | PassedOver():
                # Not even its bytes can be stored. To skip it would lose it.
                raise error

    def _report(self, judged: Sequence[Judged], recorded: Recorded, seconds: float) -> None:
        planned = [
            dispatch
            for each, verdict in zip(judged, recorded.verdicts, strict=True)
            if isinstance(each, Accepted) and verdict == "matched"
            for dispatch in each.plan
        ]
        self._telemetry.recorded(self._source.name, recorded.verdicts, planned, seconds)


def _sum(parts: Sequence[Planned]) -> Planned:
    return Planned(
        sum(each.number for each in parts), [one for each in parts for one in each.fresh]
    )


def _size(judged: Judged) -> int:
    """Return the bytes of payload and planned calls that a delivery adds to a commit."""
    if isinstance(judged, Counted):
        return 0
    calls = judged.plan if isinstance(judged, Accepted) else ()
    return len(judged.delivery.payload) + sum(len(dispatch.call) for dispatch in calls)
