"""Result events in Python: stored ones first, then live ones, without gap or repeat.

::

    from bridge import results

    async for event in results.watch(correlation=request_id, since="1h", until_closed=True):
        print(event.topic, event.data)

This module is public; the rest of `bridge` may change. A subscriber that needs only NATS can use any
NATS client (docs/subscribe.md). Without `Settings`, servers are found as in the commands: environment,
``ntbridge.yaml``, or the stack running in this folder. Modules: `follow` joins past and present,
`events` reads and filters result events.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import datetime

import structlog

from bridge.cel import compile_expression
from bridge.evaluation import Evaluator
from bridge.results.events import Result, ResultFilter
from bridge.results.follow import Watch
from bridge.runtime.durations import PointInTime, moment
from bridge.settings import discovery
from bridge.settings.schema import Settings
from bridge.sql.storage import open_store
from eventstore.store import EventStore

__all__ = ["Result", "watch"]

log = structlog.get_logger(__name__)

_NAME = "ntbridge results watch"


async def watch(
    *,
    correlation: str | None = None,
    type: str | None = None,  # noqa: A002 - the attribute's name
    workflow: str | None = None,
    where: str | None = None,
    since: PointInTime | str | None = None,
    until_closed: bool = False,
    settings: Settings | None = None,
    say: Callable[[str], None] | None = None,
) -> AsyncGenerator[Result]:
    """Yield result events as they are published; reconnect when a connection is lost.

    Close the iterator (``contextlib.aclosing``) when you leave it early.

    Args:
        correlation: Only events with this correlation id: the id of the first event of the chain.
        type: Only events of this CloudEvents type, or with a type prefix (``io.example.*``).
        workflow: Only events of workflows of this type, or of this workflow id.
        where: Only events for which this CEL condition over ``event`` and ``data`` holds.
        since: Start with events recorded since this time, or this long ago (``"10m"``, ``"2h"``, a
            ``timedelta``) by the database's clock; they come from the event store. Default: only new events, which needs NATS alone.
        until_closed: Stop after the first event that reports the end of a run
            (`Result.closes`, `Result.failed`).
        settings: The servers' addresses; default: find them as the commands do.
        say: Called with messages for a person, such as a lost connection; default: the log.

    Raises:
        ExpressionError: The condition does not compile.
        SettingsError: A setting is wrong.
        NotConnected: NATS cannot be reached at the start.
        SourceMissing: The stream of results does not exist.
        Unavailable: The event store cannot be reached, with ``since``.
    """
    found = settings or _found_settings()
    wanted = ResultFilter(
        correlation=correlation,
        type=type,
        workflow=workflow,
        where=None if where is None else compile_expression(where, "bool"),
    )

    @asynccontextmanager
    async def store() -> AsyncGenerator[EventStore]:
        async with open_store(found, _NAME) as (_, opened):
            yield opened

    view = Watch(found.nats, found.nats.streams.results, store, say=say or _log, name=_NAME)
    async with (
        Evaluator() as evaluator,
        aclosing(view.results(_moment(since))) as results,
    ):
        async for result in results:
            if not await wanted.matches(result, evaluator):
                continue
            yield result
            if until_closed and result.closes:
                return


def _moment(since: PointInTime | str | None) -> PointInTime | None:
    if isinstance(since, str):
        return moment(since)
    if isinstance(since, datetime) and since.tzinfo is None:
        raise ValueError(f"a time needs a time zone: {since.isoformat()}")
    return since


def _log(text: str) -> None:
    log.info("results.watch", detail=text)


def _found_settings() -> Settings:
    loaded, _ = discovery.load()
    discovery.require_servers(loaded)
    return loaded.settings
