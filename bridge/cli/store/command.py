"""``ntbridge store``: removes the bodies of events, lists what was removed, and manages indexes."""

from typing import Annotated

from cyclopts import App, Parameter

from bridge.cli.common import DEFAULT_CONNECT, Connect, SecondsFlag
from bridge.cli.printer import Column, ColumnsFlag, OutputFlag, Printer

app = App(name="store", help="Remove the data of old events, or of a person; add indexes.")
app.command("bridge.cli.store.index:app", name="index", help="Add, list and drop indexes.")

_COLUMNS = (
    Column("id", cuts=False),
    Column("kind", cuts=False),
    Column("began_at", "began", kind="age", cuts=False),
    Column("state", cuts=False),
    Column("events", cuts=False),
    Column("why"),
    Column("who"),
    Column("archive", wide=True),
    Column("through", wide=True),
    Column("position", wide=True),
    Column("selection", wide=True),
    Column("remarks", wide=True, of=lambda row: "; ".join(row["remarks"])),
)


@app.command
async def prune(
    *,
    older_than: SecondsFlag | None = None,
    category: str | None = None,
    attribute: tuple[str, ...] = (),
    archive: str | None = None,
    no_archive: Annotated[bool, Parameter(negative="")] = False,
    rows: Annotated[bool, Parameter(negative="")] = False,
    why: str | None = None,
    dry_run: bool = False,
    yes: bool = False,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Remove the data of old events from the event store; write them to an archive first.

    The event's row stays, with its identity, its place in stream and log, its links and its digest:
    a repeat is still recognised. Events of open dispatches, dead letters, runs and replays keep
    their data, and so do events above any checkpoint. Connect as the owner of the tables. An
    interrupted prune continues when the command is run again.

    With --rows it deletes rows that have lost their data, when no repeat of their events can come
    any more: no stream has a message that old, and no dispatch or run refers to them. The last row
    of each stream stays.

    Parameters
    ----------
    older_than:
        Only events recorded longer ago than this, such as 90d. Default: the rules of the settings
        retention.events and retention.rows.
    category:
        Only events of this category: what stands before the first '-' in the name of the stream.
    attribute:
        Also remove this attribute, such as subject (repeatable).
    archive:
        A folder or an object store: file:///folder, s3://bucket/prefix, gs://… or az://….
        Default: the setting retention.archive.
    no_archive:
        Do not archive: the data cannot be read back.
    rows:
        Delete rows without data, instead of removing data. Then --older-than is at least a day.
    why:
        The reason, for the record; default: that it is the policy.
    dry_run:
        Count the events, and change nothing.
    yes:
        Do not ask for confirmation.
    output:
        table (in a terminal), ndjson (in a pipe), wide, json or yaml.
    """
    from bridge.cli.store.session import PruneOptions, prune_events

    options = PruneOptions(
        older_than=older_than,
        category=category,
        attributes=attribute,
        archive=archive,
        no_archive=no_archive,
        rows=rows,
        why=why,
        dry_run=dry_run,
        sure=yes,
    )
    printer = Printer(output, ("removal", "kind", "category", "removed", "kept", "archive"))
    return await prune_events(connect.settings(), options, printer)


@app.command
async def erase(
    *,
    subject: str,
    why: str,
    attribute: tuple[str, ...] = (),
    chains: Annotated[bool, Parameter(negative="")] = False,
    dry_run: bool = False,
    yes: bool = False,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Remove what is stored about a person: data and attributes of all events with this subject.

    Also their copies on NATS, in dead letters, in settled dispatches and in archives. What Temporal
    and others may still have is listed. Rows stay with identity, place, links and digest, so a
    repeat is still recognised. Events of open dispatches and runs stay whole: exit 1, run it again
    later. Connect as the owner of the tables. An interrupted erasure continues when the command is
    run again.

    Parameters
    ----------
    subject:
        The CloudEvents attribute subject. The record has only its SHA-256.
    why:
        The reason, for the record.
    attribute:
        Also remove this attribute, such as id (repeatable). Subject and unknown extension attributes
        always go.
    chains:
        Also remove the other events of the same chains, such as results.
    dry_run:
        Count the events, and change nothing.
    yes:
        Do not ask for confirmation.
    output:
        table (in a terminal), ndjson (in a pipe), wide, json or yaml.
    """
    from bridge.cli.store.erasure import EraseOptions, erase_subject

    options = EraseOptions(
        subject=subject,
        why=why,
        attributes=attribute,
        chains=chains,
        dry_run=dry_run,
        sure=yes,
    )
    names = (
        "removal",
        "events",
        "messages",
        "letters",
        "dispatches",
        "objects",
        "archived",
        "remarks",
    )
    return await erase_subject(connect.settings_with_sources(), options, Printer(output, names))


@app.command
async def removals(
    *,
    limit: int = 100,
    output: OutputFlag = None,
    columns: ColumnsFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """List what removed bodies of events: who, when and why; latest first.

    Parameters
    ----------
    limit:
        The most rows.
    output:
        table (in a terminal), ndjson (in a pipe), wide, json or yaml.
    columns:
        The columns of a table, separated by commas.
    """
    from bridge.cli.store.session import removal_rows

    rows = await removal_rows(connect.settings(), limit)
    Printer(output, _COLUMNS, only=columns).all(rows)
