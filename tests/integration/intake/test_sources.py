"""Sources as the daemon runs them: over leases, with the real record."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
from typing_extensions import override

from bridge.dispatch.dispatchers import Windows
from bridge.dispatch.handover import Fresh, Window
from bridge.intake.consumer import Consumer, Delivery
from bridge.intake.decision import Judged
from bridge.intake.recorded import Recorded
from bridge.intake.recorder import Recorder
from bridge.jetstream.connection import NatsConnection
from bridge.operations.base import Backlog
from bridge.routes.model import Route
from bridge.routes.table import RouteTable
from bridge.settings.schema import SourceSettings
from eventstore.database import Database
from eventstore.errors import Deposed, Unavailable
from eventstore.leases import Lease
from tests.support.daemon_parts import route
from tests.support.intakes import Open, intake, recorded
from tests.support.sources import SUBJECT, Stream
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

WHOLE = SourceSettings()
LEFT = SourceSettings(subject="events.left.*", consumer="left")
RIGHT = SourceSettings(subject="events.right.*", consumer="right")
EPOCH = "select epoch from leases where name like 'source/%'"


async def test_two_parts_of_a_stream_each_go_on_behind_their_own_last_message(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    await stream.publish(1, topic="events.left.x")
    async with intake(connection, stream, database, LEFT):
        await recorded(database, 1)
    # While the left one is away, the right one comes much further.
    await stream.publish(2, topic="events.left.x")
    await stream.publish(3, topic="events.right.x")
    async with intake(connection, stream, database, RIGHT):
        await recorded(database, 1, 3)
        async with intake(connection, stream, database, LEFT):
            await recorded(database, 1, 3, 2)


class Room(Open):
    """A dispatch with room or without; keeps how many each recording handed over."""

    def __init__(self, *, room: bool) -> None:
        super().__init__()
        self.room = room
        self.handed: list[int] = []

    @override
    def window(self) -> Windows:
        return {"": Window({}, room=self.room)}

    @override
    def hand_over(
        self,
        windows: Windows,
        planned: int,
        fresh: Sequence[Fresh],
        partitions: Collection[int],
    ) -> None:
        super().hand_over(windows, planned, fresh, partitions)
        self.handed.append(len(fresh))


@pytest.mark.parametrize("room", [True, False])
async def test_what_is_recorded_comes_back_only_if_dispatch_has_room_for_it(
    connection: NatsConnection, stream: Stream, database: Database, *, room: bool
) -> None:
    dispatch = Room(room=room)
    routes = RouteTable([route(**{"from": SUBJECT, "key": "event.id"})])
    await stream.publish(1, 2, 3)
    async with intake(connection, stream, database, WHOLE, dispatch, routes=routes):
        await recorded(database, 1, 2, 3)
        await eventually(lambda: dispatch.backlog.dispatches == 3)
    assert sum(dispatch.handed) == (3 if room else 0)


async def test_a_stream_read_from_its_beginning_is_gone_on_with_where_that_came_to(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    await stream.publish(1, 2, 3)
    async with intake(connection, stream, database, WHOLE):
        await recorded(database, 1, 2, 3)
    # As after a crash of a server that did not sync: the stream's tail is gone.
    js = stream.client.jetstream()
    await database.execute("update source_progress set sequence = 100")
    async with intake(connection, stream, database, WHOLE):

        async def went_back() -> bool:
            sequence = await database.fetchval("select sequence from source_progress")
            return bool(sequence == 3)

        await eventually(went_back)
    await stream.publish(4)
    async with intake(connection, stream, database, WHOLE):
        await recorded(database, 1, 2, 3, 4)
        (name,) = await stream.consumers()
        # It was reset to what comes after the third: it has delivered one message since.
        info = await js.consumer_info(stream.name, name)
        assert info.delivered.consumer_seq == 1


async def test_two_daemons_take_turns_and_record_everything_once_in_order(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    await stream.publish(*range(40))
    async with intake(connection, stream, database, WHOLE, owner="two", batch=5):
        async with intake(connection, stream, database, WHOLE, owner="one", batch=5):
            await recorded(database, *range(40))
            await stream.publish(*range(40, 80))
        # Whoever led has stopped, perhaps in the middle.
        await stream.publish(*range(80, 90))
        await recorded(database, *range(90))


async def test_a_deposed_leader_records_nothing(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    await stream.publish(1)
    async with intake(connection, stream, database, WHOLE):
        await recorded(database, 1)
        epoch = await database.fetchval(EPOCH)
        await database.execute(
            "update leases set owner = 'thief', epoch = epoch + 1,"
            " expires_at = clock_timestamp() + interval '3 seconds' where name like 'source/%'"
        )
        await stream.publish(2)
        # It finds out by its write or its renewal, and records only what it leads again.
        await recorded(database, 1, 2)
        assert await database.fetchval(EPOCH) > epoch + 1


@pytest.mark.parametrize(
    ("too_much", "little"),
    [(Backlog(10, 0), Backlog(9, 0)), (Backlog(1, 1000), Backlog(1, 999))],
)
async def test_too_much_that_is_open_holds_intake_back_until_there_is_room(
    connection: NatsConnection,
    stream: Stream,
    database: Database,
    too_much: Backlog,
    little: Backlog,
) -> None:
    downstream = Open(too_much)
    bounded = intake(
        connection,
        stream,
        database,
        WHOLE,
        downstream,
        max_open_dispatches=10,
        max_open_bytes=1000,
    )
    async with bounded:
        await stream.publish(1, 2)
        await asyncio.sleep(0)
        await recorded(database)
        downstream.backlog = little
        await recorded(database, 1, 2)


class Watched(RouteTable):
    """Notes in which turn of the loop each event was matched."""

    def __init__(self) -> None:
        super().__init__([])
        self.turn = 0
        self.matched_in: list[int] = []

    @override
    def candidates(self, topic: str, event_type: str) -> Sequence[Route]:
        self.matched_in.append(self.turn)
        return super().candidates(topic, event_type)

    async def count_turns(self) -> None:
        while True:
            self.turn += 1
            await asyncio.sleep(0)


async def test_a_large_batch_leaves_the_loop_to_others_again_and_again(
    connection: NatsConnection, stream: Stream, database: Database
) -> None:
    await stream.publish(*range(200))
    routes = Watched()
    counting = asyncio.create_task(routes.count_turns())
    async with intake(connection, stream, database, WHOLE, routes=routes, batch=200):
        await recorded(database, *range(200))
    counting.cancel()
    assert len(routes.matched_in) == 200
    # Sixteen at a time; where one fetched batch ends and the next begins, both are in one turn.
    turns = Counter(routes.matched_in)
    assert max(turns.values()) < 2 * 16
    assert len(turns) >= 200 // 16


class Faulty(Recorder):
    """Its second batch meets whatever is set here, again and again; all batches are noted."""

    tried: ClassVar[list[int]] = []
    gate: ClassVar[asyncio.Event]
    error: ClassVar[Exception | None]

    @override
    async def record(
        self, batch: Sequence[Judged], lease: Lease, consumer: str, *, fresh: bool = True
    ) -> Recorded:
        sequence = batch[0].delivery.sequence
        self.tried.append(sequence)
        if sequence == 6:
            await self.gate.wait()
            if self.error is not None:
                raise self.error
        return await super().record(batch, lease, consumer, fresh=fresh)


class InTime(Consumer):
    """The second and the third batch are at hand when they are asked for."""

    asked = 0

    @override
    async def ahead(self, most: int, epoch: int) -> Sequence[Delivery]:
        self.asked += 1
        if self.asked <= 2:
            await eventually(lambda: len(self._buffer) >= most)
        return await super().ahead(most, epoch)


@pytest.fixture
def faulty() -> type[Faulty]:
    Faulty.tried, Faulty.gate, Faulty.error = [], asyncio.Event(), None
    return Faulty


@asynccontextmanager
async def held_at_the_second(
    connection: NatsConnection, stream: Stream, database: Database, faulty: type[Faulty]
) -> AsyncIterator[None]:
    """Forty events in batches of five: the third is judged, and waits for the second."""
    await stream.publish(*range(40))
    routes = Watched()
    async with intake(
        connection, stream, database, WHOLE, routes=routes, parts=(InTime, faulty), batch=5
    ):
        await eventually(lambda: len(routes.matched_in) == 15)
        yield


async def test_the_next_batch_is_judged_while_one_is_recorded_and_recorded_behind_it(
    connection: NatsConnection, stream: Stream, database: Database, faulty: type[Faulty]
) -> None:
    async with held_at_the_second(connection, stream, database, faulty):
        assert faulty.tried == [1, 6]
        await recorded(database, *range(5))
        faulty.gate.set()
        await recorded(database, *range(40))
    assert faulty.tried == list(range(1, 41, 5))


@pytest.mark.parametrize("error", [Unavailable("away"), Deposed("robbed")])
async def test_behind_a_batch_that_could_not_be_recorded_nothing_is(
    connection: NatsConnection,
    stream: Stream,
    database: Database,
    faulty: type[Faulty],
    error: Exception,
) -> None:
    faulty.error = error
    async with held_at_the_second(connection, stream, database, faulty):
        faulty.gate.set()
        await eventually(lambda: faulty.tried.count(6) > 1)
    assert set(faulty.tried) == {1, 6}
    await recorded(database, *range(5))
    faulty.error = None
    async with intake(connection, stream, database, WHOLE, parts=(Consumer, faulty), batch=5):
        await recorded(database, *range(40))
