"""Starts under concurrency against starts without, over a backlog: each event has a key of its own."""

from collections.abc import AsyncIterator

from tests.benchmarks.harness import Context, Row, alternate
from tests.support.backlog import TOPIC, Ground, event, settled_rate
from tests.support.tools import tool

NAME = "slots"

BACKLOG = 5000
_START = {"workflow": "NobodyPolls", "task_queue": "nobody"}


async def rows(context: Context) -> AsyncIterator[Row]:
    """Yield the pace of starts that need a slot beside that of starts that need none."""
    temporal = context.addresses.temporal_address
    compared = await alternate(
        lambda: _starts(context, temporal, {"concurrency": {"key": "event.id"}}),
        lambda: _starts(context, temporal, {}),
    )
    yield compared.row(
        "slots.starts-over-backlog",
        unit="starts/s",
        note="a slot of its own for each event; reference: the same route without concurrency",
    )
    with tool("tests.support.stand_in_temporal") as address:
        compared = await alternate(
            lambda: _starts(context, address, {"concurrency": {"key": "event.id"}}),
            lambda: _starts(context, address, {}),
        )
    yield compared.row(
        "slots.own-cost",
        unit="starts/s",
        note="the same against a stand-in frontend that answers at once",
    )


async def _starts(context: Context, temporal: str, says: dict[str, object]) -> float:
    async with context.database() as url:
        ground = Ground(
            addresses=context.addresses, database_url=url, temporal_address=temporal
        )
        route: dict[str, object] = {"name": f"r-{ground.prefix}", "from": TOPIC}
        await ground.set_up([{**route, "start": _START, **says}])
        await ground.publish([event(number, ground.prefix) for number in range(BACKLOG)])
        async with ground.daemon():
            return await settled_rate(url, BACKLOG)
