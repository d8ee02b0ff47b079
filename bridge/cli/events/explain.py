"""``ntbridge explain``: shows what happened to an event."""

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect
from bridge.cli.events.flags import BeforeFlag, SourceFlag, WhatArgument, WhereFlag
from bridge.cli.exits import Exit
from bridge.cli.printer import OutputFlag

_MAX_EXPLAINED = 20


async def explain(
    what: WhatArgument = None,
    /,
    *,
    where: WhereFlag = None,
    before: BeforeFlag = None,
    source: SourceFlag = None,
    stream: str | None = None,
    sequence: int | None = None,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Show what happened to an event, or to a message of a source.

    Shows its delivery; which routes of the current file match, or why not, compared with the
    recorded dispatches; each dispatch with what holds it up and the current state of its run; the
    result events; the dead letters. If several events are meant, lists them to choose from; JSON and
    YAML explain each of them (at most 20). Exit 1 if none was recorded.

    Parameters
    ----------
    stream:
        Instead: the stream of a message, with its --sequence. It may have become an event or a dead
        letter, or was only counted.
    sequence:
        The message's sequence in the stream.
    output:
        table (a tree, also in a pipe), json, ndjson or yaml.
    """
    from bridge.cli.events.asking import asking, tell_bound, tell_count, tell_several
    from bridge.cli.events.explain_view import (
        ambiguous,
        print_explanation,
        print_explanations,
        tell_answers,
        tell_never_seen,
    )
    from bridge.inspect.message_answers import message_answers

    if (stream is None) != (sequence is None) or (stream is not None and (what or where)):
        raise Exit(exits.USAGE, "give WHAT, --where, or --stream and --sequence of a message")
    async with asking(connect.settings(), "ntbridge explain") as ask:
        if stream is not None and sequence is not None:
            answers = await message_answers(ask.database, stream, sequence)
            uid = next((each.uid for each in answers if each.uid is not None), None)
            if uid is None:
                tell_answers(stream, sequence, answers, output)
                return exits.OK if answers else exits.FAILED
            what = str(uid)
        found = await ask.found(what, source, where, before)
        if not found.events:
            letters = [] if what is None else await ask.explainer.mentions(what)
            tell_never_seen(what, found, letters, output)
            tell_bound(found)
            return exits.FAILED
        if len(found.events) > 1:
            ids = {each.event.id for each in found.events}
            if found.kind == "event" and ids == {what}:
                raise Exit(exits.USAGE, ambiguous(what or "", found.events))
            if output not in ("json", "ndjson", "yaml"):
                return tell_several(found, output, await ask.now(), "explain", what)
            shown = found.events[:_MAX_EXPLAINED][::-1]
            tell_count(found, len(shown), what)
            print_explanations([await ask.explainer.explain(each) for each in shown], output)
            return exits.OK
        explanation = await ask.explainer.explain(found.events[0])
    print_explanation(explanation, output)
    return exits.OK
