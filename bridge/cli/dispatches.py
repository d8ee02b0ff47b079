"""``ntbridge dispatches``: lists dispatches, and shows one."""

from typing import Annotated, Any

from cyclopts import App, Parameter

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect, note
from bridge.cli.printer import Column, ColumnsFlag, OutputFlag, Printer, cell
from bridge.inspect.waiting import DispatchState

app = App(name="dispatches", help="List dispatches that are open, wait, or collided; show one.")

_COLUMNS = (
    Column("id", cuts=False),
    Column("uid", "event", kind="uid", cuts=False),
    Column("planned_at", "planned", kind="age", cuts=False),
    Column("route"),
    Column("target"),
    Column("state", cuts=False),
    Column("why", of=lambda row: "; ".join(row["holds"]) or row["error"] or row["together"]),
    Column("event_id", wide=True),
    Column("operation", wide=True),
    Column("namespace", wide=True),
    Column("attempts", wide=True),
    Column("error", wide=True),
)
_MAX_NUMBER = 2**63 - 1


@app.command
async def ls(
    *,
    state: tuple[DispatchState, ...] = ("open", "waiting", "queued", "gathering"),
    route: str | None = None,
    target: str | None = None,
    limit: Annotated[int, Parameter(validator=lambda _, value: _positive(value))] = 100,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """List dispatches in the order of their events; if there are more than --limit, the latest.

    Each shows what holds it up: the pause of its route, an earlier dispatch of its lane, the start of a
    workflow that it waits for and until when, the window that it is in and until when, or the time of
    its next attempt. One that was called together with others shows that.

    Parameters
    ----------
    state:
        Only those in this state; may be repeated. Default: dispatches that are not settled.
    route:
        Only those of this route.
    target:
        Only those for this workflow id.
    limit:
        Maximum number of dispatches to list.
    output:
        table (in a terminal), ndjson (in a pipe), wide (all columns), json or yaml.
    """
    import msgspec

    from bridge.inspect.dispatches import find_dispatches
    from bridge.sql import STATEMENTS
    from bridge.sql.storage import open_store

    async with open_store(connect.settings(), "ntbridge dispatches ls") as (database, _):
        found = await find_dispatches(database, state, limit, route=route, target=target)
        now = await database.fetchval(STATEMENTS["now"])
    rows: list[dict[str, Any]] = [msgspec.structs.asdict(each) for each in found]
    Printer(output, _COLUMNS, only=columns, now=now).all(rows)
    if len(rows) == limit:
        note(
            f"only the latest {limit} are listed; use --limit, --route or --target to see others"
        )


@app.command
async def show(
    number: Annotated[int, Parameter(validator=lambda _, value: _is_number(value))],
    /,
    *,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Show a dispatch: its state, what holds it up, its attempts and its last error.

    Exit 1 if it does not exist. 'ntbridge explain' shows its event and its run too.

    Parameters
    ----------
    number:
        Number of the dispatch, as ls shows it.
    output:
        table (for people, also in a pipe), json, ndjson or yaml.
    """
    import msgspec

    from bridge.cli.exits import Exit
    from bridge.inspect.dispatches import find_dispatch
    from bridge.runtime.terminal import print_text
    from bridge.sql.storage import open_store

    async with open_store(connect.settings(), "ntbridge dispatches show") as (database, _):
        found = await find_dispatch(database, number)
    if found is None:
        raise Exit(exits.FAILED, f"dispatch {number} does not exist")
    if output in ("json", "ndjson", "yaml"):
        Printer(output).one(found)
        return exits.OK
    for name, value in msgspec.structs.asdict(found).items():
        if value not in (None, "", []):
            print_text(f"{name:<16} {cell(value)}")
    return exits.OK


def _positive(value: int) -> None:
    if value < 1:
        raise ValueError("must be at least 1")


def _is_number(value: int) -> None:
    if not 1 <= value <= _MAX_NUMBER:
        raise ValueError(f"must be between 1 and {_MAX_NUMBER}")
