"""``ntbridge dead-letters``: list, show, redrive and drop dead letters."""

from typing import Annotated, Literal

import msgspec
from cyclopts import App, Parameter

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect, note, who
from bridge.cli.dead_letters.flags import ANY, FilterFlags, require_choice
from bridge.cli.exits import Exit
from bridge.cli.printer import ColumnsFlag, OutputFlag, Printer
from bridge.cli.progress import Progress

app = App(
    name="dead-letters",
    help="List, show, redrive and drop dead letters.",
)

_DROP_BATCH = 500


@app.command
async def ls(
    *,
    chosen: FilterFlags = ANY,
    state: Literal["open", "redriven", "dropped", "any"] = "open",
    summary: bool = False,
    limit: Annotated[int, Parameter(validator=lambda _, value: _positive(value))] = 100,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """List dead letters, newest first.

    Parameters
    ----------
    state:
        Only those in this state.
    summary:
        Show counts by stage, code and route instead.
    limit:
        Maximum number of dead letters to list.
    output:
        table (in a terminal), ndjson (in a pipe), wide (all columns), json or yaml.
    """
    from bridge.cli.dead_letters.selection import selection_of
    from bridge.cli.dead_letters.view import COLUMNS, letter_row, print_groups
    from bridge.dead_letters.store import DeadLetters
    from bridge.sql import STATEMENTS
    from bridge.sql.storage import open_store

    settings = connect.settings()
    async with open_store(settings, "ntbridge dead-letters ls") as (database, store):
        letters = DeadLetters(database)
        selection = await selection_of(store, chosen, (), None if state == "any" else state)
        groups = await letters.count(selection)
        if summary:
            print_groups(groups, output)
            return
        found = await letters.find(selection, limit)
        now = await database.fetchval(STATEMENTS["now"])
    printer = Printer(output, COLUMNS, only=columns, now=now)
    cut = printer.is_table
    printer.all([letter_row(letter, cut=cut) for letter in found])
    total = sum(group.letters for group in groups)
    if total > len(found):
        note(
            f"the newest {len(found)} of {total} are listed; --limit lists more, --summary counts all"
        )


@app.command
async def show(
    number: int,
    *,
    raw: bool = False,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """Show a dead letter: the reason, headers, bytes, and its history.

    Parameters
    ----------
    number:
        Number of the dead letter.
    raw:
        Write only the bytes, unchanged, to standard output; refused in a terminal.
    output:
        table (for people, also in a pipe), or json, ndjson, yaml: the bytes as text, or in base64 if
        they are not text.
    """
    from bridge.cli.dead_letters.view import print_letter, write_bytes
    from bridge.dead_letters.store import DeadLetters
    from bridge.sql.storage import open_store

    settings = connect.settings()
    async with open_store(settings, "ntbridge dead-letters show") as (database, _):
        letters = DeadLetters(database)
        letter = await letters.get(number)
        if letter is None:
            raise Exit(exits.FAILED, f"dead letter {number} does not exist")
        history = await letters.history(number)
    if raw:
        write_bytes(letter.payload or b"")
        return
    print_letter(letter, history, output)


@app.command
async def redrive(
    *numbers: int,
    chosen: FilterFlags = ANY,
    all: bool = False,  # noqa: A002 - the flag's name
    dry_run: bool = False,
    yes: bool = False,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Process open dead letters again with the current routes, oldest first.

    A success closes the dead letter as redriven. A failure leaves it open, with the reason in its
    history. Exit 1 if any stayed open.

    Parameters
    ----------
    numbers:
        Numbers of dead letters; or select them with the flags below.
    all:
        All open dead letters.
    dry_run:
        Show the outcome for each, and change nothing.
    yes:
        Do not ask for confirmation.
    output:
        table (in a terminal), ndjson (in a pipe), wide, json or yaml.
    """
    from bridge.cli.dead_letters.selection import count_and_ask, selection_of
    from bridge.cli.dead_letters.view import tell_outcomes
    from bridge.dead_letters.store import DeadLetters
    from bridge.evaluation import Evaluator
    from bridge.history.redrive import Redriven, Redriver
    from bridge.relay.late import LateRelay
    from bridge.routes.loading import load_routes
    from bridge.sql.storage import open_store

    settings = connect.settings()
    require_choice(numbers, chosen, everything=all)
    routes = load_routes(
        settings.routes,
        settings.intake.written_sources,
        settings.type_prefix,
        settings.temporal.names,
        closures=settings.closures.enabled,
    )
    printer = Printer(output, ("letter", "outcome", "detail"))
    async with (
        open_store(settings, "ntbridge dead-letters redrive") as (database, store),
        LateRelay(database, store, settings.nats) as late,
        Evaluator() as evaluator,
    ):
        letters = DeadLetters(database)
        selection = await selection_of(store, chosen, numbers, "open")
        total, through = await count_and_ask(letters, selection, "redrive", sure=yes or dry_run)
        redriver = Redriver(
            database,
            store,
            routes,
            evaluator,
            max_hops=settings.intake.max_hops,
            late=late,
            who=who(),
        )
        act = redriver.try_out if dry_run else redriver.redrive
        progress = Progress("redriven" if not dry_run else "checked", total)
        outcomes: list[Redriven] = []
        async for number in letters.ids(selection, through):
            outcomes.append(await act(number))
            if printer.output not in ("json", "yaml"):
                printer.stream(msgspec.to_builtins(outcomes[-1]))
            progress.step()
    if printer.output in ("json", "yaml"):
        printer.all([msgspec.to_builtins(each) for each in outcomes])
    return tell_outcomes(numbers, outcomes, dry_run=dry_run)


@app.command
async def drop(
    *numbers: int,
    why: str,
    chosen: FilterFlags = ANY,
    all: bool = False,  # noqa: A002 - the flag's name
    dry_run: bool = False,
    yes: bool = False,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Close open dead letters without another attempt; they are kept, with user and reason.

    Parameters
    ----------
    numbers:
        Numbers of dead letters; or select them with the flags below.
    why:
        The reason; it is stored.
    all:
        All open dead letters.
    dry_run:
        Count them, and change nothing.
    yes:
        Do not ask for confirmation.
    output:
        table (in a terminal), ndjson (in a pipe), wide, json or yaml.
    """
    from bridge.cli.dead_letters.selection import count_and_ask, in_batches, selection_of
    from bridge.cli.dead_letters.view import tell_missing
    from bridge.dead_letters.store import DeadLetters
    from bridge.sql.storage import open_store

    settings = connect.settings()
    require_choice(numbers, chosen, everything=all)
    async with open_store(settings, "ntbridge dead-letters drop") as (database, store):
        letters = DeadLetters(database)
        selection = await selection_of(store, chosen, numbers, "open")
        total, through = await count_and_ask(letters, selection, "drop", sure=yes or dry_run)
        if dry_run:
            return exits.OK
        progress = Progress("dropped", total)
        dropped: list[int] = []
        async for batch in in_batches(letters.ids(selection, through), _DROP_BATCH):
            dropped += await letters.drop(batch, who(), why)
            progress.step(len(batch))
    Printer(output, ("letter", "outcome")).all(
        [{"letter": number, "outcome": "dropped"} for number in dropped]
    )
    note(f"{len(dropped)} dropped")
    missing = tell_missing(numbers, dropped)
    return exits.FAILED if missing else exits.OK


def _positive(value: int) -> None:
    if value < 1:
        raise ValueError("must be at least 1")
