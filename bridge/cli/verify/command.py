"""``ntbridge verify``: compares NATS, the store, the dispatches and Temporal."""

from bridge.cli.common import DEFAULT_CONNECT, Connect, SecondsFlag, note, point_in_time
from bridge.cli.printer import OutputFlag, Printer


async def verify(
    *,
    since: str | None = None,
    until: str | None = None,
    from_position: int = 1,
    to_position: int | None = None,
    grace: SecondsFlag = 10.0,
    allow_other_starters: bool = False,
    rebuild: bool = False,
    yes: bool = False,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> int:
    """Compare NATS, the event store, the dispatches and Temporal; exit 1 if they disagree.

    Lists results on NATS that are missing, duplicated, out of order or changed; messages of other
    publishers; source messages that were not recorded; runs without a dispatch and dispatches
    without a run; open dead letters. Changes nothing without --rebuild.

    Parameters
    ----------
    since:
        Only events recorded since: 10m, 1h30m (ago) or an ISO 8601 time.
    until:
        Only events recorded before.
    from_position:
        First position.
    to_position:
        Position to stop before (exclusive).
    grace:
        Ignore differences younger than this, such as 10s: they may be in progress.
    allow_other_starters:
        Do not report workflows of routes that something else started.
    rebuild:
        Rebuild the stream of results from the store if it is wrong: purge it and publish the
        results of the range again, in order. Subscribers receive them again. A running relay
        stops during it.
    yes:
        Do not ask for confirmation.
    output:
        table (in a terminal), ndjson (in a pipe: one finding a line), wide, or json or yaml (findings
        and counts).
    """
    from bridge.cli.verify.session import Range, VerifySession

    chosen = Range(
        from_position=from_position,
        to_position=to_position,
        since=point_in_time(since),
        until=point_in_time(until),
        grace=grace,
    )
    printer = Printer(output, ("kind", "what", "detail"))
    verification = VerifySession(
        connect.settings(), printer, other_starters=allow_other_starters, say=note
    )
    if rebuild:
        return await verification.rebuild(chosen, sure=yes)
    return await verification.verify(chosen)
