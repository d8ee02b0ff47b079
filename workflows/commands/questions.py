"""Which questions are open, from the record: the result events of the runs that ask.

A question is open when it was asked (``….…-requested.v1``), not decided, and its run has not
told its end since. Nobody else is asked: not Temporal, whose retention forgets, and not the
worker, which may be away. What it costs is the time that result events take to be stored, which
is none: a run goes on when its event is.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import msgspec
from pydantic import ValidationError

from eventstore.database import Database
from eventstore.events import StoredEvent
from eventstore.filters import Filter
from eventstore.store import EventStore
from workflows.messages.approvals import AnswerRefused, Asked, Decision, Verdict
from workflows.messages.result_events import CLOSURES, stream_of

OPEN, ENDED = "open", "ended"

LONGEST = timedelta(days=31)
"""No question stands for longer; see `workflows.messages.approvals.Terms`."""

_ENDS = (".completed", ".failed")
_NO_ENDS = (".continued-as-new.v1",)


@dataclass
class Asking:
    """A question as the record has it. ``number`` is the position of its event in the store."""

    number: int
    about: str
    asked: Asked
    at: datetime
    seen: int
    """The version in the run's stream up to which the record is known."""
    decision: Decision | None = None
    refused: list[AnswerRefused] = field(default_factory=list)
    reminders: list[datetime] = field(default_factory=list)
    ended: str | None = None
    """The type of the event that told the end of the run, if it came before a decision."""

    @property
    def state(self) -> str:
        """``open``, what was decided, or ``ended`` when its run ended without a decision."""
        if self.decision is not None:
            return self.decision.verdict.value
        return OPEN if self.ended is None else ENDED

    def heed(self, stored: StoredEvent) -> None:
        """Take note of an event of the same run that came later."""
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
        if word in set(Verdict):
            self.decision = Decision.model_validate(data)
        elif word == "refused":
            self.refused.append(AnswerRefused.model_validate(data))
        elif word in {"reminded", "escalated"}:
            self.reminders.append(stored.recorded_at)
            self.asked = self.asked.model_copy(update={"may_answer": tuple(data["may_answer"])})


class Questions:
    """The questions that runs have asked."""

    def __init__(self, store: EventStore, abouts: Sequence[str]) -> None:
        self._store = store
        self._abouts = abouts

    async def find(self, since: datetime) -> list[Asking]:
        """Return the questions that were asked since, the oldest first."""
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
        """Return the question whose event has this position in the store."""
        async for stored in self._store.read_all(after=number - 1, through=number):
            for about in self._abouts:
                asking = read(stored, about)
                if asking is not None:
                    await self.catch_up(asking)
                    return asking
        return None

    async def catch_up(self, asking: Asking) -> None:
        """Take note of what the run has told since it asked."""
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
    """Return the question that an event asks, if it does."""
    if stored.event.type != f"{about}-requested.v1":
        return None
    try:
        asked = Asked.model_validate_json(stored.event.data or b"null")
    except ValidationError:
        return None  # somebody else's event of that type
    return Asking(
        number=stored.position,
        about=about,
        asked=asked,
        at=stored.recorded_at,
        seen=stored.version,
    )


def _ends(stored: StoredEvent) -> bool:
    kind = stored.event.type
    if kind.startswith(CLOSURES):
        return not kind.endswith(_NO_ENDS)
    return str(stored.topic).endswith(_ENDS)
