"""``ntbridge events explain``: shows what happened to an event."""

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect, OutputFlag
from bridge.cli.exits import Exit


async def explain(
    id: str,  # noqa: A002 - the attribute's name
    *,
    source: str | None = None,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Show what happened to an event.

    Shows its delivery; which routes of the current file match, or why not, compared with the
    recorded dispatches; each dispatch with the current state of its run; the result events; the
    dead letters. Exit 1 if the event was never recorded.

    Parameters
    ----------
    id:
        Id or uid of the event.
    source:
        Source of the event; needed if several sources have an event with this id.
    output:
        table (a tree), ndjson or json.
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
            routes_or_reason(settings),
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
