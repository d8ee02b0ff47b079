"""``ntbridge pause`` and ``ntbridge resume``: hold a source or a route, and let it go on."""

from typing import TYPE_CHECKING, Literal

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect, note, who
from bridge.cli.exits import Exit
from bridge.cli.printer import Column, ColumnsFlag, OutputFlag, Printer

if TYPE_CHECKING:
    from bridge.pauses import Held
    from bridge.settings.schema import Settings
    from eventstore.database import Database

Kind = Literal["source", "route"]

_COLUMNS = (
    Column("kind", cuts=False),
    Column("name", cuts=False),
    Column("since", kind="age", cuts=False),
    Column("who"),
    Column("reason"),
)


async def pause(
    kind: Kind | None = None,
    name: str | None = None,
    /,
    *,
    why: str = "",
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Hold a source or a route until it is resumed; without arguments, list what is paused.

    Nothing is skipped or lost. Of a paused source nothing is fetched and nothing acknowledged. For a
    paused route events are still recorded and planned; its dispatches wait, and what comes after them
    in their lanes. All daemons notice it within seconds, and a restart does not end it. Calls that are
    in flight end.

    Parameters
    ----------
    kind:
        source or route.
    name:
        Name of the route; or the stream of the source, or <stream>/<consumer> as 'status' shows it.
    why:
        The reason; it is stored and shown.
    output:
        Format of the list: table (in a terminal), ndjson (in a pipe), wide, json or yaml.
    """
    from bridge.pauses import Pauses
    from bridge.sql import STATEMENTS
    from bridge.sql.storage import open_store

    settings = connect.settings()
    async with open_store(settings, "ntbridge pause") as (database, _):
        pauses = Pauses(database)
        if kind is None:
            held = await pauses.held()
            now = await database.fetchval(STATEMENTS["now"])
            _list(held, Printer(output, _COLUMNS, only=columns, now=now))
            return exits.OK
        chosen = await _named(kind, name, settings, database)
        if await pauses.pause(kind, chosen, who=who(), via="command line", reason=why):
            note(f"{kind} {chosen} is paused; 'ntbridge resume {kind} {chosen}' ends it")
        else:
            held = await pauses.held()
            known = {"source": held.sources, "route": held.routes}[kind].get(chosen)
            note(f"{kind} {chosen} is {known.shown if known else 'resumed meanwhile'}")
    return exits.OK


async def resume(
    kind: Kind,
    name: str,
    /,
    *,
    why: str = "",
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """End the pause of a source or a route; all daemons notice it within seconds.

    Exit 1 if it was not paused.

    Parameters
    ----------
    kind:
        source or route.
    name:
        Its name, as 'ntbridge pause' lists it; of a source, its stream is enough.
    why:
        The reason; it is stored.
    """
    from bridge.pauses import Pauses
    from bridge.sql.storage import open_store

    settings = connect.settings()
    async with open_store(settings, "ntbridge resume") as (database, _):
        pauses = Pauses(database)
        chosen = await _named(kind, name, settings, database)
        done = await pauses.resume(kind, chosen, who=who(), via="command line", reason=why)
    note(f"{kind} {chosen} {'is resumed' if done else 'was not paused'}")
    return exits.OK if done else exits.FAILED


def _list(held: "Held", printer: Printer) -> None:
    import msgspec

    if printer.is_table and not held.all:
        note("nothing is paused; 'ntbridge pause route NAME' pauses a route")
        return
    printer.all(msgspec.structs.asdict(each) for each in held.all)


async def _named(
    kind: Kind, name: str | None, settings: "Settings", database: "Database"
) -> str:
    """Return the full name of a source or route.

    Raises:
        Exit: There is no such source or route, or several sources have this stream.
    """
    from bridge.inspect.pausable import find_pausable
    from bridge.inspect.todays_routes import TodaysRoutes

    if name is None:
        raise Exit(exits.USAGE, f"give the NAME of the {kind}")
    known = await find_pausable(settings, database, TodaysRoutes(settings))
    if known.fault is not None:
        note(f"the routes file cannot be read: {known.fault}")
    match known.find(kind, name):
        case [only]:
            return only
        case []:
            names = ", ".join(sorted(known.of(kind))) or "none"
            raise Exit(exits.USAGE, f"there is no {kind} {name!r}; there are: {names}")
        case several:
            raise Exit(
                exits.USAGE, f"several sources are of {name!r}; choose: {', '.join(several)}"
            )
