"""What `explain` and `trace` share: finding the event that is meant, and listing several to choose from."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bridge.cli import exits
from bridge.cli.common import note
from bridge.cli.exits import Exit
from bridge.cli.printer import Column, Output, Printer
from bridge.errors import ExpressionError
from bridge.evaluation import Evaluator
from bridge.inspect.explain import Explainer
from bridge.inspect.question import Found, Questions
from bridge.inspect.search import EventQuery, Search
from bridge.inspect.todays_routes import routes_or_reason
from bridge.settings.schema import Settings
from bridge.sql import STATEMENTS
from bridge.sql.storage import open_store
from bridge.temporal import connect_each
from eventstore.database import Database
from eventstore.events import StoredEvent

COLUMNS = (
    Column("uid", kind="uid", cuts=False),
    Column("recorded_at", "recorded", kind="age", cuts=False),
    Column("type"),
    Column("id"),
    Column("subject"),
    Column("source", wide=True),
    Column("topic", wide=True),
    Column("position", wide=True),
)


@dataclass(frozen=True)
class Asking:
    """Answers questions about events from one database.

    Attributes:
        database: The database.
        questions: Finds the events that are meant.
        explainer: Explains them.
    """

    database: Database
    questions: Questions
    explainer: Explainer

    async def now(self) -> datetime:
        """Return the database's time."""
        now: datetime = await self.database.fetchval(STATEMENTS["now"])
        return now

    async def found(
        self, what: str | None, source: str | None, where: str | None, before: int | None
    ) -> Found:
        """Return the events that flags mean.

        Raises:
            Exit: Neither an id nor a condition is given, or both; or the condition is wrong.
        """
        if (what is None) == (where is None):
            raise Exit(
                exits.USAGE,
                "give WHAT (an id of an event, correlation or workflow, or a subject), or --where",
            )
        if what is not None:
            return await self.questions.find(what, source)
        try:
            query = EventQuery(condition=where)
        except ExpressionError as error:
            raise Exit(exits.USAGE, f"--where: {error}") from error
        return await self.questions.matching(query, before=before)


@asynccontextmanager
async def asking(settings: Settings, command: str) -> AsyncIterator[Asking]:
    """Connect to the database and to Temporal."""
    async with open_store(settings, command) as (database, store), Evaluator() as evaluator:
        yield Asking(
            database,
            Questions(database, store, Search(database, store, evaluator)),
            Explainer(
                database,
                store,
                routes_or_reason(settings),
                await connect_each(settings.temporal),
                {name: each.namespace for name, each in settings.temporal.each.items()},
            ),
        )


def tell_bound(found: Found) -> None:
    """Say how far a search came that did not come to the oldest event."""
    if not found.is_whole:
        note(
            f"searched from the newest event down to position {found.reached}; older ones: --before "
            f"{found.reached} with --where"
        )


def tell_count(found: Found, shown: int, what: str | None) -> None:
    """Say how many events were found, and how many of them are shown."""
    means = f"no event has the id {what!r}; events with this {found.kind}" if what else "events"
    cut = f"the newest {shown} of " if shown < len(found.events) else ""
    note(f"{means}: {cut}{len(found.events)}")
    tell_bound(found)


def tell_several(
    found: Found, output: Output | None, now: datetime, command: str, what: str | None
) -> int:
    """List events to choose from; return the exit code."""
    printer = Printer(output, COLUMNS, now=now)
    printer.all(event_line(each) for each in found.events)
    tell_count(found, len(found.events), what)
    note(f"choose one: ntbridge {command} {str(found.events[0].uid)[:8]}")
    return exits.OK


def event_line(stored: StoredEvent) -> dict[str, Any]:
    """Return a stored event as a row of a list."""
    event = stored.event
    return {
        "uid": stored.uid,
        "recorded_at": stored.recorded_at,
        "type": event.type,
        "id": event.id,
        "subject": event.subject,
        "source": event.source,
        "topic": stored.topic,
        "position": stored.position,
    }
