"""The overview: is it well?"""

import json
from collections.abc import AsyncGenerator
from typing import Any

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from bridge.console.drawing.sparkline import MINUTES, sparklines
from bridge.console.guard import RequestForbidden
from bridge.console.overview_feed import MAX_FOLLOWERS
from bridge.console.parts import Parts
from bridge.console.rendering import fragment, page
from bridge.inspect.last_hour import SPAN
from bridge.inspect.overview import Overview
from eventstore.errors import EventStoreError


async def show(request: Request) -> Response:
    """``/``."""
    parts: Parts = request.app.state.parts
    seen = await parts.feed.current()
    return page(request, "overview.html", **_values(seen))


async def live(request: Request) -> Response:
    """``/live/overview``: the changing part of the page, every few seconds."""
    parts: Parts = request.app.state.parts
    if parts.feed.is_full:
        raise RequestForbidden(503, f"{MAX_FOLLOWERS} browsers show the overview: close one.")
    return StreamingResponse(messages(parts), media_type="text/event-stream")


async def messages(parts: Parts) -> AsyncGenerator[str]:
    """Yield the server-sent events of the live part."""
    try:
        async for seen in parts.feed.following():
            yield sse("overview", fragment(parts, "overview_live.html", **_values(seen)))
    except EventStoreError as error:
        # The browser connects again by itself.
        yield sse("overview", fragment(parts, "unavailable.html", reason=str(error)))


def sse(event: str, content: str) -> str:
    """Return one server-sent event."""
    lines = "".join(f"data: {line}\n" for line in content.splitlines())
    return f"event: {event}\n{lines}\n"


def _values(seen: Overview) -> dict[str, Any]:
    lines = sparklines(seen.outcomes, seen.at)
    return {
        "seen": seen,
        "sparks": sorted(lines.items()),
        "minutes": MINUTES,
        "plot": json.dumps(_plot(seen)),
        "open_letters": sum(seen.store.letters.values()) if seen.store else 0,
        "timings": {each.route: each for each in seen.routes},
        "paused": [[each.kind, each.name] for each in seen.pauses],
        "pending": {each.route: each for each in seen.pending},
    }


def _plot(seen: Overview) -> dict[str, list[float]]:
    """Return the last hour by minute: times, recorded events, good and bad outcomes."""
    end = int(seen.at.timestamp() // 60) * 60
    times = list(range(end - int(SPAN.total_seconds()) + 60, end + 60, 60))
    place = {moment: index for index, moment in enumerate(times)}
    events, good, bad = ([0.0] * len(times) for _ in range(3))
    for minute in seen.events:
        index = place.get(int(minute.minute.timestamp()))
        if index is not None:
            events[index] += minute.events
    for outcome in seen.outcomes:
        index = place.get(int(outcome.minute.timestamp()))
        if index is not None:
            series = bad if outcome.state in ("dead", "collision") else good
            series[index] += outcome.dispatches
    return {
        "times": [float(each) for each in times],
        "events": events,
        "good": good,
        "bad": bad,
    }
