"""Verify the stream of results: every relayed event once, in order, as the store renders it."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from uuid import UUID

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import DiscardPolicy, StreamConfig, StreamInfo

from bridge.cloudevents.codec import decode
from bridge.errors import DecodeError, EncodeError, SourceMissing, SubjectError
from bridge.history.verify.findings import Counts, Discrepancy, Kind, VerifyScope
from bridge.history.verify.tombstones import Copy, Tombstones
from bridge.jetstream.connection import stream_info
from bridge.jetstream.reader import StreamReader
from bridge.jetstream.subjects import shown_subject
from bridge.lifecycle.lease_names import RELAY_CHECKPOINT
from bridge.relay.chain import (
    INCARNATION_HEADER,
    POSITION_HEADER,
    position_in,
    render,
)
from bridge.relay.late import LATE_HEADER
from bridge.settings.schema import NatsSettings
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.errors import CheckpointMismatch
from eventstore.events import Origin, StoredEvent
from eventstore.filters import Filter
from eventstore.store import EventStore
from eventstore.subscription import Checkpoints

_BATCH = 1000


class ResultsCheck:
    """Reads the stream and the store side by side, in position order.

    What is missing is known only at the end: an event that the relay set aside may be published
    late, after events of higher positions.
    """

    def __init__(
        self,
        client: Client,
        nats: NatsSettings,
        database: Database,
        store: EventStore,
        scope: VerifyScope,
        counts: Counts,
    ) -> None:
        self._client = client
        self._nats = nats
        self._stream = nats.stream(nats.streams.results)
        self._database = database
        self._store = store
        self._scope = scope
        self._counts = counts
        self._incarnation = ""
        self._absent: dict[int, StoredEvent] = {}
        """Stored events that the stream lacks before a later one, by position."""
        self._tombstones = Tombstones(database)
        self._copies: list[Copy] = []
        """Messages of events without bodies, not judged yet."""
        self._rowless: list[tuple[int, Msg, int]] = []
        """Messages of positions without an event, not judged yet."""
        self._first = 0
        """The position of the relay's first message on the stream; 0: there is none."""
        self._last = 0

    async def findings(self) -> AsyncGenerator[Discrepancy]:
        """Yield the discrepancies.

        Raises:
            NotConnected: NATS cannot be reached.
            Unavailable: The database cannot be reached.
        """
        self._incarnation = str(await self._store.incarnation())
        await self._tombstones.load()
        try:
            info = await stream_info(self._client.jetstream(), self._stream)
        except SourceMissing:
            yield Discrepancy(
                kind="stream-missing",
                what=f"stream {self._stream}",
                detail="it does not exist: 'ntbridge verify --rebuild' rebuilds it from the store",
                stream=self._stream,
            )
            return
        async with aclosing(self._compared(info)) as found:
            async for finding in found:
                yield finding
        async with aclosing(self._missing(info)) as found:
            async for finding in found:
                yield finding

    async def _compared(self, info: StreamInfo) -> AsyncGenerator[Discrepancy]:
        reader = StreamReader(self._client, self._stream)
        messages = reader.read(first=info.state.first_seq, through=info.state.last_seq)
        stored = _Lookahead(
            self._store.read_all(
                after=self._scope.after,
                through=self._scope.through,
                where=Filter(origin=Origin.EMITTED),
            )
        )
        async with aclosing(messages) as found:
            async for sequence, message in found:
                self._counts.add("messages on the stream of results")
                finding = await self._judge(sequence, message, stored)
                if finding is not None:
                    yield finding
                if len(self._copies) + len(self._rowless) >= _BATCH:
                    for altered in await self._altered_copies():
                        yield altered
        for altered in await self._altered_copies():
            yield altered
        async for event in stored.rest():
            self._absent[event.position] = event

    async def _judge(
        self, sequence: int, message: Msg, stored: "_Lookahead"
    ) -> Discrepancy | None:
        headers = message.headers or {}
        late = LATE_HEADER in headers
        position = position_in(headers, LATE_HEADER if late else POSITION_HEADER)
        if position is None or headers.get(INCARNATION_HEADER) != self._incarnation:
            return self._about(
                "result-foreign",
                sequence,
                message,
                "the relay of this store did not publish it, and no other program may publish there",
            )
        if not late:
            self._first = self._first or position
        if not self._scope.after < position <= self._scope.through:
            return None
        if position <= self._last:
            event = self._absent.pop(position, None)
            if event is None:
                detail = "the same event is on the stream before it"
                return self._about("result-doubled", sequence, message, detail, position)
            if not late:
                detail = "events of higher positions are before it"
                return self._about("result-out-of-order", sequence, message, detail, position)
        else:
            self._last = position
            event = await self._advance(stored, position)
        return self._altered(sequence, message, event, position)

    async def _advance(self, stored: "_Lookahead", position: int) -> StoredEvent | None:
        """Return the stored event at a position; record those before it as absent."""
        while (event := await stored.through(position)) is not None:
            if event.position == position:
                return event
            self._absent[event.position] = event
        return None

    def _altered(
        self, sequence: int, message: Msg, event: StoredEvent | None, position: int
    ) -> Discrepancy | None:
        if event is None:
            self._rowless.append((sequence, message, position))
            return None
        if event.removal is not None:
            return self._of_tombstone(sequence, message, event)
        try:
            wanted = render(
                event, self._nats, UUID(self._incarnation), self._client.max_payload
            )
            if message.subject == wanted.subject and (
                message.data == wanted.payload
                # Another release may have rendered the members in another order.
                or decode(message.headers, message.data)
                == decode(wanted.headers, wanted.payload)
            ):
                return None
        except (DecodeError, EncodeError, SubjectError) as error:
            reason = f": {error}"
        else:
            reason = ""
        return self._about(
            "result-altered",
            sequence,
            message,
            f"it differs from what the store renders{reason}",
            event.position,
        )

    def _of_tombstone(
        self, sequence: int, message: Msg, event: StoredEvent
    ) -> Discrepancy | None:
        if not self._tombstones.is_erased(event):
            self._copies.append(Copy(sequence, message, event))
            return None
        return self._about(
            "result-not-erased",
            sequence,
            message,
            "its event was erased, and this copy is still on the stream: run the same 'ntbridge "
            "store erase' again",
            event.position,
        )

    async def _altered_copies(self) -> list[Discrepancy]:
        copies, self._copies = self._copies, []
        rowless, self._rowless = self._rowless, []
        foreign = await self._tombstones.foreign(rowless)
        self._counts.skip("results whose rows were deleted", len(rowless) - len(foreign))
        detail = "the store has no emitted event at its position"
        return [
            self._about("result-foreign", sequence, message, detail, position)
            for sequence, message, position in foreign
        ] + [
            self._about(
                "result-altered", copy.sequence, copy.message, detail, copy.event.position
            )
            for copy, detail in await self._tombstones.wrong(copies)
        ]

    async def _missing(self, info: StreamInfo) -> AsyncGenerator[Discrepancy]:
        try:
            relayed = max(
                self._last, await Checkpoints(self._database).load(RELAY_CHECKPOINT) or 0
            )
        except CheckpointMismatch:
            relayed = self._scope.through  # of another incarnation: nothing waits for the relay
        waiting = [event for position, event in self._absent.items() if position > relayed]
        for event in waiting:
            del self._absent[event.position]
        if waiting and not self._scope.is_under_way(waiting[0].recorded_at):
            yield Discrepancy(
                kind="result-not-relayed",
                what=f"{len(waiting)} events from position {waiting[0].position} on",
                detail=f"recorded since {waiting[0].recorded_at.isoformat()}, and not relayed: "
                "start a daemon, or see its log for why the stream accepts no messages",
                position=waiting[0].position,
                stream=self._stream,
            )
        await self._drop_set_aside()
        for event in self._absent.values():
            if self._tombstones.is_erased(event):
                self._counts.skip("results that were erased")
                continue
            if self._has_aged_out(event, info.config):
                self._counts.skip("results that the stream's limits may have removed")
                continue
            yield Discrepancy(
                kind="result-missing",
                what=f"{event.topic} {event.event.id}, position {event.position}",
                detail=f"it was relayed, and is not on {self._stream}: run 'ntbridge verify --rebuild'",
                position=event.position,
                uid=event.uid,
                stream=self._stream,
            )

    async def _drop_set_aside(self) -> None:
        """Drop the absent events that have a dead letter of the relay, which is reported separately."""
        positions = list(self._absent)
        for start in range(0, len(positions), _BATCH):
            part = positions[start : start + _BATCH]
            by_uid = {self._absent[position].uid: position for position in part}
            rows = await self._database.fetch(STATEMENTS["set_aside_by_relay"], list(by_uid))
            for row in rows:
                del self._absent[by_uid[row["uid"]]]

    def _has_aged_out(self, event: StoredEvent, config: StreamConfig) -> bool:
        """Return whether the stream's own limits may have removed an event."""
        if self._first and event.position > self._first:
            return False
        if self._scope.is_older(event.recorded_at, config.max_age or None):
            return True
        limits = (config.max_bytes, config.max_msgs, config.max_msgs_per_subject)
        return config.discard is DiscardPolicy.OLD and any((limit or 0) > 0 for limit in limits)

    def _about(
        self, kind: Kind, sequence: int, message: Msg, detail: str, position: int | None = None
    ) -> Discrepancy:
        return Discrepancy(
            kind=kind,
            what=f"{self._stream} sequence {sequence} ({shown_subject(self._nats.topic(message.subject))})",
            detail=detail,
            stream=self._stream,
            sequence=sequence,
            position=position,
        )


class _Lookahead:
    """Events in position order, with a lookahead of one."""

    def __init__(self, events: AsyncIterator[StoredEvent]) -> None:
        self._events = events
        self._next: StoredEvent | None = None

    async def through(self, position: int) -> StoredEvent | None:
        """Return the next event if it is at or below a position, else None."""
        if self._next is None:
            self._next = await anext(self._events, None)
        if self._next is None or self._next.position > position:
            return None
        event, self._next = self._next, None
        return event

    async def rest(self) -> AsyncGenerator[StoredEvent]:
        """Yield the remaining events."""
        if self._next is not None:
            yield self._next
        async for event in self._events:
            yield event
