"""Events: search, and the live tail."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response, StreamingResponse

from bridge.console.guard import RequestForbidden
from bridge.console.pages.overview import sse
from bridge.console.parts import Parts
from bridge.console.rendering import fragment, page
from bridge.console.tail import TooManyWatchers, Watcher
from bridge.errors import ExpressionError
from bridge.inspect.lookup import TooManySources
from bridge.inspect.search import EventQuery
from bridge.runtime.durations import moment
from eventstore.filters import Filter
from eventstore.store import EventStore

PAGE = 50
_FIELDS = (
    "type",
    "topic",
    "source",
    "subject",
    "correlation",
    "stream",
    "since",
    "until",
    "cel",
)


async def show(request: Request) -> Response:
    """``/events``: by an id, or by attributes and data; the newest first."""
    parts: Parts = request.app.state.parts
    asked = {name: request.query_params.get(name, "").strip() for name in ("q", *_FIELDS)}
    values: dict[str, Any] = {
        "asked": asked,
        "fault": None,
        "hits": None,
        "found": None,
        "reached": 1,
        "deleted_before": None,
    }
    try:
        if asked["q"]:
            found = await parts.questions.find(asked["q"])
            if len(found.events) == 1 and found.is_whole:
                return RedirectResponse(f"/events/{found.events[0].uid}", 303)
            values["hits"] = [(found.kind, each) for each in found.events]
            values["reached"] = found.reached
            values["deleted_before"] = found.deleted_before
        else:
            before = number_of(request.query_params.get("before"))
            values["found"] = await parts.search.page(
                await query_of(parts.store, asked), PAGE, before=before
            )
    except (ExpressionError, TooManySources, ValueError) as error:
        values["fault"] = str(error)
    if "more" in request.query_params and "hx-request" in request.headers:
        return page(request, "events_rows.html", **values)
    return page(request, "events.html", **values)


async def live(request: Request) -> Response:
    """``/live/events``: the events of a query as they are recorded."""
    parts: Parts = request.app.state.parts
    asked = {name: request.query_params.get(name, "").strip() for name in _FIELDS}
    try:
        wanted = await query_of(parts.store, {**asked, "since": "", "until": ""})
    except (ExpressionError, ValueError) as error:
        raise RequestForbidden(400, str(error)) from error
    return StreamingResponse(messages(parts, wanted), media_type="text/event-stream")


async def messages(parts: Parts, wanted: EventQuery) -> AsyncGenerator[str]:
    """Yield the server-sent events of the live part."""
    try:
        async with parts.tail.watching(wanted) as watcher:
            yield sse("ready", "watching")
            async for message in _rows(parts, watcher):
                yield message
    except TooManyWatchers as error:
        yield sse("refused", str(error))


async def _rows(parts: Parts, watcher: Watcher) -> AsyncIterator[str]:
    async for stored, missed in watcher.events():
        yield sse(
            "event", fragment(parts, "event_row.html", each=stored, kind=None, missed=missed)
        )


async def query_of(store: EventStore, asked: Mapping[str, str]) -> EventQuery:
    """Return the query of the fields of the form.

    Raises:
        ValueError: A time is wrong.
        ExpressionError: The CEL expression is wrong.
    """
    kind = asked.get("type", "")
    is_prefix = kind.endswith("*")
    return EventQuery(
        where=Filter(
            type=None if is_prefix else kind or None,
            type_prefix=kind.rstrip("*") or None if is_prefix else None,
            topic=asked.get("topic") or None,
            source=asked.get("source") or None,
            subject=asked.get("subject") or None,
            correlation_id=asked.get("correlation") or None,
            stream=asked.get("stream") or None,
            since=await store.time_of(moment(asked["since"])) if asked.get("since") else None,
            until=await store.time_of(moment(asked["until"])) if asked.get("until") else None,
        ),
        condition=asked.get("cel") or None,
    )


def number_of(text: str | None) -> int | None:
    """Return a position that a form or address gives; None if it gives none.

    Raises:
        ValueError: It is none.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 19):  # noqa: PLR2004 - of a bigint
        raise ValueError(f"{text[:40]!r} is not a position")
    return int(text)
