"""The pages that other packages add: a list of things, and answers to them."""

from collections.abc import Mapping
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from bridge.console.guard import RequestForbidden, form_of, operator_of, reason_of
from bridge.console.page_plugins import PagePlugin
from bridge.console.parts import Parts
from bridge.console.rendering import page, shown
from bridge.jetstream.connection import connect_once
from bridge.jetstream.publishing import complete, publish
from bridge.jetstream.subjects import topic_for

log = structlog.get_logger(__name__)


async def show(request: Request) -> Response:
    """``/pages/{name}``."""
    parts: Parts = request.app.state.parts
    found = _plugin(request, parts)
    return page(
        request, "plugin.html", plugin=found, items=await found.items(_Host(parts)), said=None
    )


async def answer(request: Request) -> Response:
    """``POST /pages/{name}/{verb}``: an answer to one thing, with a reason."""
    parts: Parts = request.app.state.parts
    form = await form_of(request)
    who = operator_of(request)
    found, host = _plugin(request, parts), _Host(parts)
    key, reason = form.get("key", ""), reason_of(form)
    verb: str = request.path_params["verb"]
    item = next((each for each in await found.items(host) if each.key == key), None)
    if item is None or verb not in item.answers:
        raise RequestForbidden(409, "This cannot be answered so any more: load the page again.")
    await parts.audit.record(
        who=who.name,
        via=who.via,
        action=verb,
        on=f"{found.name} {key}",
        reason=reason,
        detail=shown(item.title),
    )
    try:
        said = await found.answer(host, key, verb, who.name, reason)
    except Exception as error:
        log.warning("console.answer_refused", page=found.name, key=key, exc_info=True)
        raise RequestForbidden(409, str(error)) from error
    return page(request, "plugin.html", plugin=found, items=await found.items(host), said=said)


def _plugin(request: Request, parts: Parts) -> PagePlugin:
    name = request.path_params["name"]
    found = next((each for each in parts.plugins if each.name == name), None)
    if found is None:
        raise HTTPException(404, "no package adds this page")
    return found


class _Host:
    """What the console gives to a page."""

    def __init__(self, parts: Parts) -> None:
        self._settings = parts.settings

    @property
    def database_url(self) -> str:
        """The DSN of the database."""
        return self._settings.database.url

    async def publish(self, members: Mapping[str, Any]) -> str:
        """Publish a domain event on the subject of its type; return its id."""
        event = complete({"source": "/ntbridge/console", **members})
        client = await connect_once(self._settings.nats, "ntbridge console")
        try:
            await publish(client, self._settings.nats, event, topic_for(event.type))
        finally:
            await client.close()
        return event.id
