"""Dispatching with telemetry on against off: a page that is scraped, spans that are sent.

"On" is all of it, and more than anybody's default: every trace sampled, spans and metrics sent by
OTLP to a collector, `/metrics` read every second. The collector and the reader are processes of their
own, on the same cores.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from tests.benchmarks.harness import Context, Row, alternate
from tests.support.backlog import TOPIC, Ground, event, settled_rate
from tests.support.pages import get, url_of
from tests.support.tools import tool

NAME = "telemetry"

_BACKLOG = 2000
_START = {"workflow": "NobodyPolls", "task_queue": "nobody"}
_OFF = {"NTBRIDGE_HTTP__ENABLED": "false", "OTEL_SDK_DISABLED": "true"}


async def rows(context: Context) -> AsyncIterator[Row]:
    """Yield the one comparison."""
    with tool("tests.support.collector") as url:
        on = {
            "NTBRIDGE_HTTP__PORT": "0",
            "NTBRIDGE_LOG__LEVEL": "info",
            "NTBRIDGE_LOG__FORMAT": "json",
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "OTEL_TRACES_SAMPLER": "always_on",
        }
        compared = await alternate(
            lambda: _rate(context, {**on}), lambda: _rate(context, {**_OFF})
        )
    yield compared.row(
        "telemetry.on-against-off",
        unit="starts/s",
        note="all traces sampled and sent, /metrics read every second; target 0.95",
    )


async def _rate(context: Context, env: dict[str, str]) -> float:
    """Let a daemon take a backlog; return dispatches a second."""
    async with context.database() as url:
        ground = Ground(
            addresses=context.addresses,
            database_url=url,
            temporal_address=context.addresses.temporal_address,
        )
        await ground.set_up([{"name": f"r-{ground.prefix}", "from": TOPIC, "start": _START}])
        await ground.publish([event(n, ground.prefix) for n in range(_BACKLOG)])
        async with ground.daemon(**env):
            scraping = asyncio.create_task(_scrape(ground, env))
            try:
                return await settled_rate(url, _BACKLOG)
            finally:
                scraping.cancel()
                with suppress(asyncio.CancelledError):
                    await scraping


async def _scrape(ground: Ground, env: dict[str, str]) -> None:
    if env.get("NTBRIDGE_HTTP__ENABLED") == "false":
        return
    url = await url_of(ground.folder / "daemon.log")
    while True:
        await get(url, "/metrics")
        await asyncio.sleep(1)
