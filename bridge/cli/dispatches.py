"""``ntbridge dispatches``: what is under way, what waits and for how long, and what collided."""

from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from bridge.cli.common import DEFAULT_CONNECT, Connect, OutputFlag, Printer, note

app = App(name="dispatches", help="Look at what is under way, waits, or has collided.")

State = Literal["open", "waiting", "done", "duplicate", "collision", "skipped", "dead"]

_COLUMNS = (
    "event_id", "route", "operation", "target", "state", "attempts", "next_attempt_at",
    "waits_for", "error",
)  # fmt: skip


@app.command
async def ls(
    *,
    state: tuple[State, ...] = ("open", "waiting"),
    route: str | None = None,
    target: str | None = None,
    limit: Annotated[int, Parameter(validator=lambda _, value: _positive(value))] = 100,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """List dispatches in the order of their events; of many, the latest.

    Each says what it waits for: a workflow to start, and until when, or a dispatch ahead of it in its
    lane. What failed says why, and when it is tried again.

    Parameters
    ----------
    state:
        Only those in this state; may be given several times. By default what is not settled.
    route:
        Only those of this route.
    target:
        Only those for this workflow id.
    limit:
        The most dispatches to list.
    output:
        table (in a terminal), ndjson (in a pipe) or json.
    """
    from bridge.history.explanation import waits_for
    from bridge.sql import STATEMENTS
    from bridge.sql.storage import open_store

    async with open_store(connect.settings(), "ntbridge dispatches ls") as (database, _):
        found = await database.fetch(
            STATEMENTS["list_dispatches"], list(state), route, target, limit
        )
    rows: list[dict[str, Any]] = [
        {
            **dict(row),
            "waits_for": waits_for(
                state=row["state"],
                target=row["target"],
                waiting_until=row["waiting_until"],
                key=row["key"],
                ahead=row["ahead"],
            ),
        }
        for row in found
    ]
    Printer(output, _COLUMNS).all(rows)
    if len(rows) == limit:
        note(f"these are the latest {limit}; there may be more: --limit, --route, --target")


def _positive(value: int) -> None:
    if value < 1:
        raise ValueError("must be at least 1")
