"""``ntbridge status``: the state of all daemons and the last hour, on one screen."""

import asyncio
from typing import Annotated

from cyclopts import Parameter

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect, SecondsFlag
from bridge.cli.exits import Exit
from bridge.cli.printer import OutputFlag, Printer

_EVERY_SECONDS = 2.0
_MIN_EVERY = 0.5


async def status(
    *,
    watch: Annotated[bool, Parameter(name=["--watch", "-w"])] = False,
    every: SecondsFlag = _EVERY_SECONDS,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Show whether it is well, and where not: sources, routes, stuck lanes, dead letters, daemons.

    Exit code 0 if no check failed, else 4.

    Parameters
    ----------
    watch:
        Show it again and again, until Ctrl-C.
    every:
        With --watch: the time between two looks, such as 5s.
    output:
        table (one screen, also in a pipe), json, ndjson or yaml.
    """
    from bridge.cli.status.view import show
    from bridge.inspect.overview import overview
    from bridge.settings import discovery
    from bridge.settings.logging import configure
    from bridge.sql.storage import open_store

    if every < _MIN_EVERY:
        raise Exit(exits.USAGE, f"--every must be at least {_MIN_EVERY:g} s")
    loaded = connect.load()
    discovery.require_servers(loaded)
    configure(loaded.settings.log)
    printer = Printer(output)
    async with open_store(loaded.settings, "ntbridge status") as (database, _):
        while True:
            seen = await overview(loaded, database)
            if output in (None, "table", "wide"):
                show(seen, clear=watch)
            else:
                printer.one(seen)
            if not watch:
                return exits.OK if seen.ready else exits.UNAVAILABLE
            await asyncio.sleep(every)
