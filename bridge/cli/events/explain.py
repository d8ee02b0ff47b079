"""``ntbridge events explain``: what became of an event."""

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect, OutputFlag
from bridge.cli.exits import Exit


async def explain(
    id: str,  # noqa: A002 - what people call it
    *,
    source: str | None = None,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Tell what became of an event.

    How it came in; which routes matched, or why not, evaluated again as the routes file is now
    and compared with what was recorded; each dispatch, and its run as it is now; the result
    events it led to; dead letters. Exit 1 if it was never recorded.

    Parameters
    ----------
    id:
        The event's id, or its uid.
    source:
        The event's source; needed where several sources have an event of this id.
    output:
        A tree for people, or json.
    """
    from bridge.cli.events.explain_view import (
        ambiguous,
        print_explanation,
        routes_or_reason,
        tell_never_seen,
    )
    from bridge.history.explain import Explainer
    from bridge.history.lookup import find_events
    from bridge.sql.storage import open_store
    from bridge.temporal import connect as connect_temporal

    settings = connect.settings()
    async with open_store(settings, "ntbridge events explain") as (database, store):
        found = await find_events(database, store, id, source)
        explainer = Explainer(
            database,
            store,
            routes_or_reason(settings.routes),
            await connect_temporal(settings.temporal),
        )
        if not found:
            tell_never_seen(id, await explainer.mentions(id), output)
            return exits.FAILED
        if len(found) > 1:
            raise Exit(exits.USAGE, ambiguous(id, found))
        explanation = await explainer.explain(found[0])
    print_explanation(explanation, output)
    return exits.OK
