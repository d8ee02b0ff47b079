"""Result events in Python: the past, then live, without gap or repeat.

::

    from bridge import results

    async for event in results.watch(correlation=request_id, since="1h", until_closed=True):
        print(event.topic, event.data)

Public; what else there is in `bridge` may change. A subscriber in need of nothing but NATS uses
any NATS client (docs/subscribe.md). Servers are found as the commands find them: environment,
``ntbridge.yaml``, or the stack running in this folder; or give `Settings`.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta

import structlog

from bridge.cel import compile_expression
from bridge.evaluation import Evaluator
from bridge.results.events import Result, Wanted
from bridge.results.follow import Watch
from bridge.runtime.durations import moment
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
    since: datetime | timedelta | str | None = None,
    until_closed: bool = False,
    settings: Settings | None = None,
    say: Callable[[str], None] | None = None,
) -> AsyncGenerator[Result]:
    """Yield result events as they are published, over lost connections too.

    Close the iterator (``contextlib.aclosing``) when leaving it early.

    Args:
        correlation: Only those with this correlation id: the id of the event that began it all.
        type: Only those of this CloudEvents type, or of types with a prefix (``io.example.*``).
        workflow: Only those of workflows of this type, or of this workflow id.
        where: Only those for which this CEL condition over ``event`` and ``data`` holds.
        since: Begin with those recorded since a time, or so long ago (``"10m"``, ``"2h"``); they
            come from the event store. Default: from now on, for which NATS alone is needed.
        until_closed: End behind the first of them that tells the end of a run
            (`Result.closes`, `Result.failed`).
        settings: Where the servers are; default is to find them as the commands do.
        say: Told what a person should know, such as a lost connection; default is the log.

    Raises:
        ExpressionError: The condition does not compile.
        SettingsError: A setting is wrong.
        NotConnected: NATS cannot be reached to begin with.
        SourceMissing: The stream of results does not exist.
        Unavailable: The event store cannot be reached, with ``since``.
    """
    found = settings or _found_settings()
    wanted = Wanted(
        correlation=correlation,
        type=type,
        workflow=workflow,
        where=None if where is None else compile_expression(where, "bool"),
    )

    @asynccontextmanager
    async def store() -> AsyncGenerator[EventStore]:
        async with open_store(found, _NAME) as (_, opened):
            yield opened

    view = Watch(found.nats, found.relay.stream, store, say=say or _log, name=_NAME)
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


def _moment(since: datetime | timedelta | str | None) -> datetime | None:
    if isinstance(since, timedelta):
        return datetime.now(UTC) - since
    if isinstance(since, str):
        return moment(since)
    if since is not None and since.tzinfo is None:
        raise ValueError(f"a time needs a time zone: {since.isoformat()}")
    return since


def _log(text: str) -> None:
    log.info("results.watch", detail=text)


def _found_settings() -> Settings:
    loaded, _ = discovery.load()
    discovery.require_servers(loaded)
    return loaded.settings
