"""``ntbridge verify``: do NATS, the store, the dispatches and Temporal agree?"""

from bridge.cli.common import (
    DEFAULT_CONNECT,
    Connect,
    OutputFlag,
    Printer,
    SecondsFlag,
    note,
    point_in_time,
)


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

    Lists results that are missing on NATS, doubled, out of order or altered, messages that
    others have written there, messages of the sources that were never recorded, runs without a
    dispatch and the reverse, and open dead letters. Changes nothing, unless asked to rebuild.

    Parameters
    ----------
    since:
        Only what was recorded since: 10m, 2h (ago) or an ISO 8601 time.
    until:
        Only what was recorded before.
    from_position:
        First position of the store.
    to_position:
        Position of the store to stop before.
    grace:
        What is younger, in seconds, may still be under way.
    allow_other_starters:
        Others than routes may start the routes' workflows.
    rebuild:
        Make the stream of results anew from the store, if it is not as it should be: it is
        emptied, and the results of the range are published again, in order. Subscribers see
        them again. A running relay is deposed for that time.
    yes:
        Do not ask before rebuilding.
    output:
        table, ndjson (one finding a line) or json (findings, and what was looked at).
    """
    from bridge.cli.verify.session import Range, Verification

    chosen = Range(
        from_position=from_position,
        to_position=to_position,
        since=point_in_time(since),
        until=point_in_time(until),
        grace=grace,
    )
    printer = Printer(output, ("kind", "what", "detail"))
    verification = Verification(
        connect.settings(), printer, other_starters=allow_other_starters, say=note
    )
    if rebuild:
        return await verification.rebuild(chosen, sure=yes)
    return await verification.verify(chosen)
