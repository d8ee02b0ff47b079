"""A whole batch of events of long circles is set aside, each with its chain."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from typing_extensions import override

from bridge.intake.consumer import Delivery
from bridge.intake.decision import SetAside
from bridge.intake.recorder import Recorder
from eventstore.database import Database
from eventstore.events import Event, NewEvent, StoredEvent
from eventstore.leases import Leases
from eventstore.store import EventStore

LENGTH = 40
LOOPS = 256


class Counting(EventStore):
    """A store that counts how often it is asked for events by their uids."""

    reads = 0

    @override
    async def get_many(self, uids: Sequence[UUID]) -> dict[UUID, StoredEvent]:
        self.reads += 1
        return await super().get_many(uids)


def event(name: str) -> Event:
    return Event(id=name, source="/loops", type="io.example.loop.turned.v1")


def set_aside(number: int) -> SetAside:
    delivery = Delivery(
        stream="RESULTS",
        stream_created=datetime.now(UTC),
        sequence=number,
        topic="results.loop.turned",
        headers={},
        payload=b"{}",
        reply="",
    )
    return SetAside(delivery, "loop", "round and round", loop=event(f"end-{number}"))


async def test_a_batch_of_long_loops_is_recorded_with_each_chain(database: Database) -> None:
    store = Counting(database)
    before = None
    for link in range(LENGTH):
        await store.append(
            "run-1", [NewEvent(event=event(f"link-{link}"), causation_uid=before)]
        )
        before = event(f"link-{link}").uid
    ends = [NewEvent(event=event(f"end-{n}"), causation_uid=before) for n in range(LOOPS)]
    await store.append("run-2", ends)
    lease = await Leases(database).acquire("source/loops", "me", 60)
    assert lease is not None
    batch = [set_aside(number) for number in range(LOOPS)]

    await Recorder(database, store).record(batch, lease, "loops")

    reasons = [
        row["reason"]
        for row in await database.fetch("select reason from dead_letters order by id")
    ]
    assert len(reasons) == LOOPS
    for number, reason in enumerate(reasons):
        chain = reason.partition("latest first: ")[2].split(" ← ")
        assert len(chain) == LENGTH + 1
        assert f", end-{number})" in chain[0]
        assert ", link-0)" in chain[-1]
    # A step for all of them at once: read one by one they would outlast the fenced transaction.
    assert store.reads <= LENGTH + 2
    await store.aclose()
