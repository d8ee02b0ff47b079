"""Copies of events on NATS: found by sequence, position or message id, and deleted.

====================  =====================================================================
source streams        where intake recorded the event's messages: stream and sequence
``RESULTS``           by the position in the relay's headers
``REPLAY``            by the message id, which has the position
``DEADLETTERS``       notices, by the message id of the dead letter
====================  =====================================================================

The server overwrites a deleted message. Sequences stay, so nobody's place moves: the relay finds the
last message of ``RESULTS`` removed and continues after its checkpoint, above which nothing is erased.
"""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from uuid import uuid5

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.errors import APIError, NotFoundError

from bridge.errors import NotConnected, SourceMissing
from bridge.jetstream.connection import CLIENT_FAULTS, stream_info
from bridge.jetstream.publishing import MESSAGE_ID
from bridge.jetstream.reader import StreamReader
from bridge.relay.chain import INCARNATION_HEADER, POSITION_HEADER, position_in
from bridge.relay.late import LATE_HEADER
from bridge.settings.schema import NatsSettings, SourceSettings
from bridge.sql import STATEMENTS
from eventstore.database import Database, Row
from eventstore.events import StoredEvent
from eventstore.store import EventStore

IsCopy = Callable[[Mapping[str, str]], bool]


class Copies:
    """Deletes the messages that have events.

    Args:
        client: A connected client.
        nats: Names on the server.
        sources: The sources that the settings and the routes file name.
        database: What intake recorded.
        store: The event store.
    """

    def __init__(
        self,
        client: Client,
        nats: NatsSettings,
        sources: Sequence[SourceSettings],
        database: Database,
        store: EventStore,
    ) -> None:
        self._client = client
        self._nats = nats
        self._sources = {source.stream: source for source in sources}
        self._database = database
        self._store = store
        self.deleted: Counter[str] = Counter()
        """By stream: messages that were deleted."""
        self.left: Counter[str] = Counter()
        """By stream and reason: messages that could not be deleted."""

    async def delete(self, events: Sequence[StoredEvent]) -> None:
        """Delete the messages that have these events; may be repeated.

        Raises:
            NotConnected: NATS is unreachable.
            Unavailable: The database is unreachable.
        """
        if not events:
            return
        rows = await self._database.fetch(
            STATEMENTS["copies_of_events"], [stored.uid for stored in events]
        )
        for row in rows:
            if row["kind"] == "source":
                await self._delete_from_source(row)
        incarnation = await self._store.incarnation()
        letters = {
            str(uuid5(incarnation, f"dead-letter\n{row['letter']}"))
            for row in rows
            if row["kind"] == "notice"
        }
        streams, positions = self._nats.streams, {stored.position for stored in events}
        found = await self._database.fetch(STATEMENTS["replays_of_incarnation"])
        replays = {row["id"] for row in found}
        if letters:
            await self._delete_from_own(
                streams.dead_letters,
                self._nats.subject("deadletters.>"),
                lambda headers: headers.get(MESSAGE_ID, "") in letters,
            )
        for topic in sorted({stored.topic for stored in events if stored.topic}):
            await self._delete_from_own(
                streams.replay,
                self._nats.subject(f"replay.*.{topic}"),
                lambda headers: _replayed(headers.get(MESSAGE_ID, ""), replays) in positions,
            )
            if topic.startswith("results."):
                await self._delete_from_own(
                    streams.results,
                    self._nats.subject(topic),
                    lambda headers: (
                        headers.get(INCARNATION_HEADER) == str(incarnation)
                        and _relayed(headers) in positions
                    ),
                )

    async def _delete_from_source(self, row: Row) -> None:
        source = self._sources.get(row["stream"])
        name, api = row["stream"], self._nats.api
        if source is not None:
            name, api = self._nats.source_stream(source), self._nats.source_api(source)
        try:
            info = await stream_info(self._client.jetstream(prefix=api), name)
        except SourceMissing:
            return
        if info.created != row["stream_created"]:
            return  # another stream of this name
        await self._delete_message(name, row["sequence"], api)

    async def _delete_from_own(self, stream: str | None, subject: str, is_copy: IsCopy) -> None:
        if stream is None:
            return
        name = self._nats.stream(stream)
        try:
            info = await stream_info(self._client.jetstream(), name)
        except SourceMissing:
            return
        messages = StreamReader(self._client, name).read(
            first=info.state.first_seq,
            through=info.state.last_seq,
            subject=subject,
            headers_only=True,
        )
        found = [
            sequence async for sequence, message in messages if is_copy(message.headers or {})
        ]
        for sequence in found:
            await self._delete_message(name, sequence, self._nats.api)

    async def _delete_message(self, stream: str, sequence: int, api: str) -> None:
        api_of_stream = self._client.jetstream(prefix=api)
        try:
            await api_of_stream.delete_msg(stream, sequence)
        except NotFoundError:
            return
        except APIError as error:
            # An earlier erasure may have deleted it; the server's words for that differ.
            if not await _is_gone(api_of_stream, stream, sequence):
                self.left[f"{stream}: {error.description}"] += 1
        except CLIENT_FAULTS as error:
            raise NotConnected(
                f"NATS does not answer a request to delete message {sequence} of {stream} "
                f"(a missing permission looks like this too): {error!r}"
            ) from error
        else:
            self.deleted[stream] += 1


async def _is_gone(js: JetStreamContext, stream: str, sequence: int) -> bool:
    try:
        await js.get_msg(stream, sequence)
    except NotFoundError:
        return True
    except (APIError, *CLIENT_FAULTS):
        return False
    return False


def _relayed(headers: Mapping[str, str]) -> int | None:
    late = position_in(headers, LATE_HEADER)
    return position_in(headers, POSITION_HEADER) if late is None else late


def _replayed(message_id: str, replays: Collection[str]) -> int | None:
    """Return the position in the message id of a replay's copy: ``<replay id>/<position>``."""
    replay, _, number = message_id.rpartition("/")
    return position_in({MESSAGE_ID: number}, MESSAGE_ID) if replay in replays else None
