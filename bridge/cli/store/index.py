"""``ntbridge store index``: indexes that an operator adds to the events, for what he often searches."""

from typing import TYPE_CHECKING

from cyclopts import App

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect, note
from bridge.cli.printer import Column, ColumnsFlag, OutputFlag, Printer

if TYPE_CHECKING:
    from eventstore.indexes import AddedIndex

app = App(name="index", help="Add, list and drop indexes of the events.")

_COLUMNS = (
    Column("of", wraps=True),
    Column("state", cuts=False),
    Column("size", "bytes", cuts=False),
    Column("scans", cuts=False),
    Column("name", wide=True),
)


@app.command
async def add(what: str, /, *, connect: Connect = DEFAULT_CONNECT) -> int:
    """Build an index, so that searches by an attribute no longer read the events one by one.

    Appends and reads go on meanwhile; the build waits for open transactions. Each index costs every
    append a little. Connect as the owner of the tables. If a build was ended by force, add it again:
    what it left is dropped first. One that exists is left alone.

    Parameters
    ----------
    what:
        source, subject, topic, tenant, category or causation-id, which searches and filters then use.
        Or an SQL expression over the columns of 'events', for SQL of your own:
        "envelope -> 'extensions' ->> 'orderid'".
    """
    from eventstore.indexes import Indexes

    index, is_new = await Indexes(connect.settings().database.url).add(what)
    note(f"{what} is indexed ({index.size} bytes)" if is_new else f"{what} was indexed before")
    return exits.OK


@app.command
async def ls(
    *,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """List the added indexes, with their size and how often they were used.

    'invalid' is what a build that was ended by force has left: it serves no search and costs appends.

    Parameters
    ----------
    output:
        table (in a terminal), ndjson (in a pipe), wide (all columns), json or yaml.
    """
    from eventstore.indexes import Indexes

    found = await Indexes(connect.settings().database.url).all()
    Printer(output, _COLUMNS, only=columns).all(_row(each) for each in found)
    for each in found:
        if each.state == "invalid":
            note(
                f"{each.name} is invalid: add it again (its attribute or expression as before), or "
                f"'ntbridge store index drop {each.name}'"
            )
    return exits.OK


@app.command
async def drop(what: str, /, *, connect: Connect = DEFAULT_CONNECT) -> int:
    """Drop an added index. Appends and reads go on meanwhile. Exit 1 if there is none.

    Parameters
    ----------
    what:
        The attribute or expression that it was added for, or its name.
    """
    from eventstore.indexes import Indexes

    if await Indexes(connect.settings().database.url).drop(what):
        note(f"the index of {what} is dropped")
        return exits.OK
    note(f"there is no added index of {what}; 'ntbridge store index ls' lists them")
    return exits.FAILED


def _row(index: "AddedIndex") -> dict[str, object]:
    return {name: getattr(index, name) for name in index.__struct_fields__}
