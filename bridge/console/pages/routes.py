"""Routes: conditions, counters, the graph, and a test of an event against them."""

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from bridge.cloudevents.codec import decode
from bridge.console.drawing.graph import BOX_HEIGHT, BOX_WIDTH, WIDTH, draw_graph
from bridge.console.drawing.sparkline import sparklines
from bridge.console.guard import form_of
from bridge.console.parts import Parts
from bridge.console.rendering import page
from bridge.errors import BridgeError
from bridge.jetstream.subjects import topic_for
from bridge.pauses import Held

_SAMPLE = """{
  "specversion": "1.0",
  "id": "test-1",
  "source": "/console",
  "type": "io.example.order.placed.v1",
  "data": {}
}
"""


async def show(request: Request) -> Response:
    """``/routes``."""
    parts: Parts = request.app.state.parts
    table = await parts.routes.table_or_reason()
    seen = await parts.feed.current()
    known = await parts.pausable()
    routes = () if isinstance(table, str) else table.routes
    return page(
        request,
        "routes.html",
        fault=table if isinstance(table, str) else None,
        file=str(parts.settings.routes),
        routes=routes,
        graph=draw_graph(routes),
        box=(BOX_WIDTH, BOX_HEIGHT),
        width=WIDTH,
        paused=Held.of(seen.pauses),
        sources=sorted(known.sources),
        gone_routes=sorted(known.routes.keys() - {each.name for each in routes}),
        to_record={each.name: each.messages for each in seen.sources},
        outcomes={each.route: each for each in seen.routes},
        pending={each.route: each for each in seen.pending},
        sparks=sparklines(seen.outcomes, seen.at),
        sample=_SAMPLE,
    )


async def trial(request: Request) -> Response:
    """``POST /routes/test``: what the routes would do with an event; nothing is recorded."""
    parts: Parts = request.app.state.parts
    form = await form_of(request)
    fault, verdicts, topic = None, [], ""
    table = await parts.routes.table_or_reason()
    try:
        if isinstance(table, str):
            raise BridgeError(table)  # noqa: TRY301 - shown like the others
        event = decode(
            {"content-type": "application/cloudevents+json"}, form.get("event", "").encode()
        )
        topic = form.get("topic", "").strip() or topic_for(event.type)
        verdicts = list(await parts.evaluator.explain(table, topic, event))
    except (BridgeError, msgspec.MsgspecError, UnicodeError) as error:
        fault = str(error)
    verdicts.sort(key=lambda each: each.state == "not matched")
    return page(request, "routes_test.html", fault=fault, verdicts=verdicts, topic=topic)
