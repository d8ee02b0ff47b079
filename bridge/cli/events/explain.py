"""``ntbridge events explain``: shows what happened to an event."""

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect, OutputFlag
from bridge.cli.exits import Exit

_MAX_OF_SUBJECT = 20


async def explain(
    id: str | None = None,  # noqa: A002 - the attribute's name
    *,
    source: str | None = None,
    stream: str | None = None,
    sequence: int | None = None,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Show what happened to an event, or to a message of a source.

    Shows its delivery; which routes of the current file match, or why not, compared with the
    recorded dispatches; each dispatch with the current state of its run; the result events; the
    dead letters. Exit 1 if the event was never recorded.

    If no event has this id, shows the newest events (at most 20) whose subject it is, such as the id
    of an order.

    Parameters
    ----------
    id:
        Id or uid of the event, or a subject.
    source:
        Source of the event; needed if several sources have an event with this id.
    stream:
        Instead of an id: the stream of a message, with its --sequence. It may have become an event
        or a dead letter, or was only counted.
    sequence:
        The message's sequence in the stream.
    output:
        table (a tree), ndjson or json.
    """
    from bridge.cli.events.explain_view import (
        ambiguous,
        print_explanation,
        print_explanations,
        tell_answers,
        tell_never_seen,
        tell_subject,
    )
    from bridge.inspect.explain import Explainer
    from bridge.inspect.lookup import find_by_subject, find_events
    from bridge.inspect.message_answers import message_answers
    from bridge.inspect.todays_routes import routes_or_reason
    from bridge.sql.storage import open_store
    from bridge.temporal import connect_each

    if (id is None) == (stream is None) or (stream is None) != (sequence is None):
        raise Exit(exits.USAGE, "give the event's id, or --stream and --sequence of a message")
    settings = connect.settings()
    async with open_store(settings, "ntbridge events explain") as (database, store):
        if stream is not None and sequence is not None:
            answers = await message_answers(database, stream, sequence)
            uid = next((each.uid for each in answers if each.uid is not None), None)
            if uid is None:
                tell_answers(stream, sequence, answers, output)
                return exits.OK if answers else exits.FAILED
            id = str(uid)  # noqa: A001 - the attribute's name
        wanted = id or ""
        found = await find_events(database, store, wanted, source)
        explainer = Explainer(
            database,
            store,
            routes_or_reason(settings),
            await connect_each(settings.temporal),
            {name: each.namespace for name, each in settings.temporal.each.items()},
        )
        if len(found) > 1:
            raise Exit(exits.USAGE, ambiguous(wanted, found))
        if found:
            print_explanation(await explainer.explain(found[0]), output)
            return exits.OK
        of_subject = await find_by_subject(store, wanted, source, _MAX_OF_SUBJECT + 1)
        if not of_subject:
            tell_never_seen(wanted, await explainer.mentions(wanted), output)
            return exits.FAILED
        shown = of_subject[-_MAX_OF_SUBJECT:]
        tell_subject(wanted, len(shown), older=len(of_subject) > len(shown))
        print_explanations([await explainer.explain(each) for each in shown], output)
    return exits.OK
