"""``ntbridge replay``: prints stored events or sends them again."""

from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from cyclopts import Parameter

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect
from bridge.cli.exits import Exit
from bridge.cli.replay.selection import EVERYTHING, EventFilter
from bridge.runtime.durations import check_rate

Names = Annotated[list[str] | None, Parameter(consume_multiple=True, negative=())]


async def replay(
    *,
    chosen: EventFilter = EVERYTHING,
    to_file: Path | None = None,
    format: Literal["ndjson", "batch"] | None = None,  # noqa: A002 - the flag's name
    to_nats: bool = False,
    to_subject: str | None = None,
    to_routes: Names = None,
    again: bool = False,
    forgotten: bool = False,
    rate: Annotated[float | None, Parameter(validator=check_rate)] = None,
    dry_run: bool = False,
    yes: bool = False,
    resume: UUID | None = None,
    stop: UUID | None = None,
    why: str = "",
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Read stored events in order and print them, or send them again.

    Without a target, the events are printed, one CloudEvent a line. A replay to a file, to NATS or
    to routes first counts its events. It can be interrupted at any time and continued with
    --resume. Each copy has the extension attribute replayid.

    Parameters
    ----------
    to_file:
        Write to this new file.
    format:
        Format of the file: ndjson (one CloudEvent a line) or batch (one JSON array; default for a
        name that ends with .json).
    to_nats:
        Publish to `replay.<replay id>.<original subject>`.
    to_subject:
        Publish to this NATS subject.
    to_routes:
        Dispatch to the current routes what they have not dispatched before: to all routes, or to
        those named.
    again:
        With --to-routes: also repeat earlier dispatches, as a new generation: new runs,
        signals sent again.
    forgotten:
        With --to-routes: also plan events whose dispatch record retention may have deleted.
    rate:
        Maximum number of events a second.
    dry_run:
        Only count, and show what a replay would do.
    yes:
        Do not ask for confirmation.
    resume:
        Continue an interrupted or stopped replay; give its id.
    stop:
        Stop a replay wherever it runs, in a command or a console; give its id.
    why:
        With --stop: the reason; it is stored and shown.
    """
    from bridge.cli.replay.session import (
        ReplayOptions,
        begin,
        print_all,
        resume_replay,
        stop_replay,
    )

    if (again or forgotten) and to_routes is None:
        raise Exit(exits.USAGE, "--again and --forgotten need --to-routes")
    targets = [to_file is not None, to_nats or to_subject is not None, to_routes is not None]
    if sum(targets) > 1:
        raise Exit(exits.USAGE, "give one target only: a file, NATS or routes")
    if format is not None and to_file is None:
        raise Exit(exits.USAGE, "--format needs --to-file")
    settings = connect.settings()
    options = ReplayOptions(
        to_file=to_file,
        format=format,
        to_nats=to_nats,
        to_subject=to_subject,
        to_routes=to_routes,
        again=again,
        forgotten=forgotten,
        rate=rate,
        dry_run=dry_run,
        sure=yes,
    )
    if stop is not None or why:
        others = (*targets, chosen != EVERYTHING, dry_run, rate is not None, resume is not None)
        if stop is None or any(others):
            raise Exit(exits.USAGE, "--stop needs the replay's id; add only --why")
        return await stop_replay(settings, stop, why)
    if resume is not None:
        if any(targets) or chosen != EVERYTHING or dry_run:
            raise Exit(
                exits.USAGE,
                "--resume continues with the stored selection and target; add only --rate",
            )
        return await resume_replay(settings, resume, rate)
    if not any(targets) and rate is not None:
        raise Exit(exits.USAGE, "--rate needs a target: --to-file, --to-nats or --to-routes")
    chosen.check()
    if not any(targets):
        return await print_all(settings, chosen, options)
    return await begin(settings, chosen, options)
