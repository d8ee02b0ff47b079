"""``ntbridge trace``: shows the chain of events and runs that an event belongs to."""

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect
from bridge.cli.events.flags import BeforeFlag, SourceFlag, WhatArgument, WhereFlag
from bridge.cli.printer import OutputFlag


async def trace(
    what: WhatArgument = None,
    /,
    *,
    where: WhereFlag = None,
    before: BeforeFlag = None,
    source: SourceFlag = None,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Show the chain that an event belongs to, as a tree from its first event, with times.

    Each event has the dispatches that it caused, each dispatch the state of its run and the events
    that the run emitted, and so on through chains of runs. Times count from the first event. If
    several events are meant, lists them to choose from. Exit 1 if nothing was found.

    Parameters
    ----------
    output:
        table (a tree, also in a pipe), json, ndjson or yaml.
    """
    from bridge.cli.events.asking import asking, tell_bound, tell_several
    from bridge.cli.events.explain_view import print_tree, tell_never_seen
    from bridge.cli.events.trace_view import tree_of_trace

    async with asking(connect.settings(), "ntbridge trace") as ask:
        found = await ask.found(what, source, where, before)
        if not found.events:
            tell_never_seen(what, found, [], output)
            tell_bound(found)
            return exits.FAILED
        if len(found.events) > 1:
            return tell_several(found, output, await ask.now(), "trace", what)
        traced = await ask.explainer.trace(found.events[0])
    print_tree(traced, tree_of_trace(traced), output)
    return exits.OK
