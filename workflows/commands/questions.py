"""Reads open questions from the result events in the store.

A question is open when it was asked (``….…-requested.v1``), is not decided, and its run has not
emitted a closing event. The store alone answers this: Temporal deletes closed runs after its
retention, and the worker may be down. The store is current, because a run continues only after
its event is stored.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
from pydantic import ValidationError

from bridge.runtime import event_types
from eventstore.database import Database
from eventstore.events import StoredEvent
from eventstore.filters import Filter
from eventstore.store import EventStore
from workflows.messages.approvals import AnswerRefused, ApprovalVerdict, Asked, Decision
from workflows.messages.result_events import namespace_of, stream_of

OPEN, ENDED = "open", "ended"

MAX_OPEN = timedelta(days=31)
"""Longest time that a question stays open; see `workflows.messages.approvals.Terms`."""

_ENDS = (".completed", ".failed")


@dataclass
class Asking:
    """A question as stored. ``number`` is the position of its event in the store."""

    number: int
    about: str
    asked: Asked
    at: datetime
    seen: int
    """The version in the run's stream up to which events were read."""
    decision: Decision | None = None
    refused: list[AnswerRefused] = field(default_factory=list)
    reminders: list[datetime] = field(default_factory=list)
    namespace: str | None = None
    """The Temporal namespace of the run, by the event's source."""
    ended: str | None = None
    """The type of the closing event, if the run ended before a decision."""

    @property
    def state(self) -> str:
        """``open``, the decision, or ``ended`` if the run ended without a decision."""
        if self.decision is not None:
            return self.decision.verdict.value
        return OPEN if self.ended is None else ENDED

    def heed(self, stored: StoredEvent) -> None:
        """Apply a later event of the same stream."""
        if namespace_of(stored.event.source) != self.namespace:
            # A run of the same workflow id in another namespace shares the stream.
            return
        kind = stored.event.type
        if kind.startswith(f"{self.about}-"):
            data = msgspec.json.decode(stored.event.data or b"null")
            if isinstance(data, dict) and data.get("request") == self.asked.request:
                self._heed(
                    kind.removeprefix(f"{self.about}-").removesuffix(".v1"), data, stored
                )
        elif self.decision is None and self.ended is None and _ends(stored):
            self.ended = kind

    def _heed(self, word: str, data: dict[str, Any], stored: StoredEvent) -> None:
        if word in set(ApprovalVerdict):
            self.decision = Decision.model_validate(data)
        elif word == "refused":
            self.refused.append(AnswerRefused.model_validate(data))
        elif word in {"reminded", "escalated"}:
            self.reminders.append(stored.recorded_at)
            self.asked = self.asked.model_copy(update={"may_answer": tuple(data["may_answer"])})


class Questions:
    """Queries for the questions of runs."""

    def __init__(self, store: EventStore, abouts: Sequence[str]) -> None:
        self._store = store
        self._abouts = abouts

    async def find(self, since: datetime) -> list[Asking]:
        """Return the questions asked since a time, the oldest first."""
        found = [
            asking
            for about in self._abouts
            async for stored in self._store.read_all(
                where=Filter(type=f"{about}-requested.v1", since=since)
            )
            if (asking := read(stored, about)) is not None
        ]
        for asking in found:
            await self.catch_up(asking)
        return sorted(found, key=lambda asking: asking.number)

    async def get(self, number: int) -> Asking | None:
        """Return the question whose event has this position in the store, if any."""
        async for stored in self._store.read_all(after=number - 1, through=number):
            for about in self._abouts:
                asking = read(stored, about)
                if asking is not None:
                    await self.catch_up(asking)
                    return asking
        return None

    async def catch_up(self, asking: Asking) -> None:
        """Apply the events that the run emitted after the question."""
        stream = stream_of(asking.asked.workflow_id)
        async for stored in self._store.read_stream(stream, from_version=asking.seen + 1):
            asking.heed(stored)
            asking.seen = stored.version


@asynccontextmanager
async def opened(database_url: str, abouts: Sequence[str]) -> AsyncIterator[Questions]:
    """Open the store and read questions from it."""
    database = await Database.connect(database_url, application_name="ntbridge approvals")
    try:
        yield Questions(EventStore(database), abouts)
    finally:
        await database.close()


def read(stored: StoredEvent, about: str) -> Asking | None:
    """Return the question that an event asks, else None."""
    if stored.event.type != f"{about}-requested.v1":
        return None
    try:
        asked = Asked.model_validate_json(stored.event.data or b"null")
    except ValidationError:
        return None  # an event of that type from another publisher
    return Asking(
        number=stored.position,
        about=about,
        asked=asked,
        at=stored.recorded_at,
        seen=stored.version,
        namespace=namespace_of(stored.event.source),
    )


def _ends(stored: StoredEvent) -> bool:
    topic = stored.topic or ""
    status = event_types.closure_status(stored.event.type, topic)
    return topic.endswith(_ENDS) if status is None else status in event_types.ENDED
