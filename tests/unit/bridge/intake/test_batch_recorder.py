"""A batch is recorded in pieces, so that none holds the event loop for long."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from typing_extensions import override

from bridge.intake.batch_recorder import BatchRecorder, Planned
from bridge.intake.consumer import Delivery
from bridge.intake.decision import Judged, SetAside
from bridge.intake.recorded import Recorded
from bridge.intake.recorder import Recorder
from bridge.settings.schema import SourceSettings
from bridge.telemetry import NO_TELEMETRY
from eventstore.errors import Unavailable
from eventstore.leases import Lease

NO_DATABASE: Any = None
LEASE = Lease(NO_DATABASE, "source/events", "test", 1, 10.0)


class Noted(Recorder):
    """Notes what it is asked to record."""

    def __init__(self) -> None:
        self.pieces: list[list[int]] = []

    @override
    async def record(
        self, batch: Sequence[Judged], lease: Lease, consumer: str, *, fresh: bool = True
    ) -> Recorded:
        self.pieces.append([each.delivery.sequence for each in batch])
        return Recorded(["set-aside"] * len(batch), 1)


async def never(error: Unavailable, held: int) -> None:
    """Wait for no store."""
    raise AssertionError((error, held))


def judged(sequence: int, size: int) -> Judged:
    delivery = Delivery(
        stream="EVENTS",
        stream_created=datetime(2026, 1, 1, tzinfo=UTC),
        sequence=sequence,
        topic="events.x",
        headers={},
        payload=bytes(size),
        reply="",
    )
    return SetAside(delivery, "json", "no JSON")


async def test_large_deliveries_are_recorded_in_pieces_in_their_order() -> None:
    recorder = Noted()
    batches = BatchRecorder(SourceSettings(), recorder, NO_TELEMETRY, never)
    sizes = (10, 10, 20 * 2**20, 10, 5 * 2**20, 5 * 2**20, 10)
    batch = [judged(number, size) for number, size in enumerate(sizes, start=1)]
    assert await batches.record(batch, LEASE, fresh=True) == Planned(4, [])
    assert recorder.pieces == [[1, 2], [3], [4, 5], [6, 7]]
    assert await batches.record(batch[:2], LEASE, fresh=True) == Planned(1, [])
