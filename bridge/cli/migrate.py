"""``ntbridge migrate``: what the bridge needs on its servers."""

from bridge.cli.common import DEFAULT_CONNECT, Connect, OutputFlag, Printer


async def migrate(
    *,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """Make tables, NATS streams and Temporal search attributes that are missing.

    What exists is left as it is. Safe to run again, and from several places at once.

    Parameters
    ----------
    output:
        How to print what was made.
    """
    from bridge.app import prepare

    prepared = await prepare(connect.settings())
    made = [
        *(("table migration", name) for name in prepared.migrations),
        *(("NATS stream", name) for name in prepared.streams),
        *(("search attribute", name) for name in prepared.search_attributes),
    ]
    rows = [{"made": kind, "name": name} for kind, name in made]
    Printer(output, ("made", "name")).all(rows or [{"made": "nothing", "name": "all there"}])
