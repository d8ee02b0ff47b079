"""``ntbridge replay``: stored events sent again."""

from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

from cyclopts import Parameter

from bridge.cli import exits
from bridge.cli.common import DEFAULT_CONNECT, Connect
from bridge.cli.exits import Exit
from bridge.cli.replay.selection import EVERYTHING, What
from bridge.runtime.durations import check_rate

Names = Annotated[list[str] | None, Parameter(consume_multiple=True, negative=())]


async def replay(
    *,
    what: What = EVERYTHING,
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
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Read stored events in order and print them, or send them again.

    Without a target they are printed, one CloudEvent a line. A replay to a file, to NATS or to
    routes is counted first, can be interrupted at any moment, and goes on with --resume. Each
    copy carries the extension attribute replayid.

    Parameters
    ----------
    to_file:
        Write to this new file.
    format:
        Of the file: ndjson (one CloudEvent a line), or batch (one JSON array; the default for
        a name that ends with .json).
    to_nats:
        Publish to `replay.<replay id>.<original subject>`.
    to_subject:
        Publish to this NATS subject.
    to_routes:
        Plan for today's routes what they have not dispatched before: all routes, or those named.
    again:
        With --to-routes: dispatch also what was dispatched before, as a new generation: new
        runs, signals sent again.
    forgotten:
        With --to-routes: plan also for events of which retention may have removed that they
        were dispatched.
    rate:
        Events a second, at most.
    dry_run:
        Count and tell, and do nothing.
    yes:
        Do not ask, however many they are.
    resume:
        Go on with a replay that was interrupted, by its id.
    """
    from bridge.cli.replay.session import Wishes, begin, go_on, print_all

    if (again or forgotten) and to_routes is None:
        raise Exit(exits.USAGE, "--again and --forgotten go with --to-routes")
    targets = [to_file is not None, to_nats or to_subject is not None, to_routes is not None]
    if sum(targets) > 1:
        raise Exit(exits.USAGE, "one target at a time: a file, NATS or routes")
    if format is not None and to_file is None:
        raise Exit(exits.USAGE, "--format goes with --to-file")
    settings = connect.settings()
    wishes = Wishes(
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
    if resume is not None:
        if any(targets) or what != EVERYTHING or dry_run:
            raise Exit(
                exits.USAGE, "--resume knows what and where to; only --rate goes with it"
            )
        return await go_on(settings, resume, rate)
    if not any(targets) and rate is not None:
        raise Exit(exits.USAGE, "--rate needs a target: --to-file, --to-nats or --to-routes")
    if not any(targets):
        return await print_all(settings, what.selection(), wishes)
    return await begin(settings, what.selection(), wishes)
