"""``store → file | subject``: stored events sent again.

What is replayed to NATS is marked: each copy carries the extension attribute ``replayid`` and
a message id of its own, since the original one would be swallowed silently within the stream's
duplicate window. The event's identity stays, so that receivers recognise it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import UUID, uuid5

import msgspec
from nats.aio.client import Client

from bridge.cloudevents import encode
from bridge.config import NatsSettings
from bridge.errors import SubjectError
from bridge.publishing import publish_message
from bridge.subjects import check_subject
from eventstore.events import StoredEvent
from eventstore.filters import Filter
from eventstore.store import EventStore


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Which stored events; positions and times are included below and excluded above."""

    where: Filter
    from_position: int = 1
    to_position: int | None = None

    async def count(self, store: EventStore) -> int:
        """Return how many events are selected at this moment."""
        return await store.count(self.where, after=self.after, through=self.through)

    async def read(self, store: EventStore) -> AsyncIterator[StoredEvent]:
        """Yield them in position order, up to where the log is final as this begins."""
        final = await store.settled()
        through = final if self.through is None else min(self.through, final)
        async for stored in store.read_all(after=self.after, through=through, where=self.where):
            yield stored

    @property
    def after(self) -> int:
        """The position before the first one."""
        return self.from_position - 1

    @property
    def through(self) -> int | None:
        """The last position, if there is a bound."""
        return None if self.to_position is None else self.to_position - 1


@dataclass(frozen=True, kw_only=True)
class NatsTarget:
    """Where on NATS a replay goes: one subject, or ``replay.<id>.<original subject>``."""

    replay_id: UUID
    subject: str | None = None

    def topic_of(self, stored: StoredEvent) -> str:
        """Return the topic an event is replayed to.

        Raises:
            SubjectError: The event never travelled on NATS, and no subject was named.
        """
        if self.subject is not None:
            return check_subject(self.subject)
        if stored.topic is None:
            raise SubjectError(
                f"the event at position {stored.position} has no subject of its own; name one",
            )
        return check_subject(f"replay.{self.replay_id}.{stored.topic}")


async def replay_to_nats(
    client: Client,
    nats: NatsSettings,
    events: AsyncIterator[StoredEvent],
    target: NatsTarget,
) -> AsyncIterator[StoredEvent]:
    """Publish events one after another, in order, yielding each once the stream has it.

    Raises:
        NotPublishedError: The stream refused one; those yielded are there.
        SubjectError: An event has no subject to go to.
    """
    async for stored in events:
        copy = marked(stored, target.replay_id)
        headers, payload = encode(copy.event)
        headers["Nats-Msg-Id"] = str(uuid5(target.replay_id, str(stored.uid)))
        await publish_message(client, nats.subject(target.topic_of(stored)), payload, headers)
        yield stored


def marked(stored: StoredEvent, replay_id: UUID) -> StoredEvent:
    """Return the event with the extension attribute ``replayid``."""
    extensions = {**stored.event.extensions, "replayid": str(replay_id)}
    event = msgspec.structs.replace(stored.event, extensions=extensions)
    return msgspec.structs.replace(stored, event=event)
