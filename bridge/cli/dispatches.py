"""``ntbridge dispatches``: lists dispatches that are open, wait, or collided."""

from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from bridge.cli.common import DEFAULT_CONNECT, Connect, OutputFlag, Printer, note

app = App(name="dispatches", help="List dispatches that are open, wait, or collided.")

DispatchState = Literal["open", "waiting", "done", "duplicate", "collision", "skipped", "dead"]

_COLUMNS = (
    "event_id", "route", "operation", "namespace", "target", "state", "attempts", "next_attempt_at",
    "waits_for", "error",
)  # fmt: skip


@app.command
async def ls(
    *,
    state: tuple[DispatchState, ...] = ("open", "waiting"),
    route: str | None = None,
    target: str | None = None,
    limit: Annotated[int, Parameter(validator=lambda _, value: _positive(value))] = 100,
    output: OutputFlag = None,
    connect: Connect = DEFAULT_CONNECT,
) -> None:
    """List dispatches in the order of their events; if there are more than --limit, the latest.

    A waiting dispatch shows what it waits for: the start of a workflow, and until when, or an earlier
    dispatch of its lane. A failed one shows the error and the time of the next attempt.

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
        table (in a terminal), ndjson (in a pipe) or json.
    """
    import msgspec

    from bridge.inspect.dispatches import find_dispatches
    from bridge.sql.storage import open_store

    async with open_store(connect.settings(), "ntbridge dispatches ls") as (database, _):
        found = await find_dispatches(database, state, limit, route=route, target=target)
    rows: list[dict[str, Any]] = [msgspec.to_builtins(each) for each in found]
    Printer(output, _COLUMNS).all(rows)
    if len(rows) == limit:
        note(
            f"only the latest {limit} are listed; use --limit, --route or --target to see others"
        )


def _positive(value: int) -> None:
    if value < 1:
        raise ValueError("must be at least 1")
