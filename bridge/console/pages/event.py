"""One event: its whole story."""

from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from bridge.console.drawing.tree import ROW_HEIGHT, WIDTH, all_dispatches, draw_tree
from bridge.console.parts import Parts
from bridge.console.rendering import page
from bridge.console.temporal_links import run_link


async def show(request: Request) -> Response:
    """``/events/{uid}``."""
    parts: Parts = request.app.state.parts
    uid: UUID = request.path_params["uid"]
    stored = await parts.store.get(uid)
    if stored is None:
        raise HTTPException(404, f"no event with the uid {uid} is stored")
    explainer = await parts.explainer()
    story = await explainer.explain(stored)
    root = story
    if stored.correlation_uid != stored.uid:
        first = await parts.store.get(stored.correlation_uid)
        if first is not None:
            root = await explainer.explain(first)
    return page(
        request,
        "event.html",
        stored=stored,
        story=story,
        tree=draw_tree(root.event, stored.uid),
        dispatches=list(all_dispatches(story.event)),
        width=WIDTH,
        row_height=ROW_HEIGHT,
        run_link=lambda dispatch: run_link(
            parts.settings,
            dispatch.namespace,
            dispatch.target,
            dispatch.run.run_id if dispatch.run else dispatch.run_id,
        ),
    )
