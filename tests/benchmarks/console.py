"""The console over a million events.

`console.<page>`: the milliseconds of a page, with all that it reads, draws and escapes, against those of
its own statements with the same arguments run by hand, one after the other. What is wanted is at most 3. The pages that show
the overview also ask NATS and Temporal; here they compute it for every request, otherwise once in five
seconds for all browsers. A page that takes less than `ENOUGH` milliseconds is not waited for by anybody.
"""

import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import asyncpg
import httpx
import yaml

from bridge.console.app import application
from bridge.console.overview_feed import OverviewFeed
from bridge.console.parts import Parts
from bridge.console.server import opened
from bridge.inspect.last_hour import LastHour
from bridge.inspect.overview import overview
from bridge.settings.sources import Loaded, Source, load
from eventstore.events import uid
from tests.benchmarks.console_ground import ROUTES, fill_all
from tests.benchmarks.harness import Context, Row
from tests.support.past import SOURCE
from tests.support.statements import Statement, by_hand, recorded

NAME = "console"

ENOUGH = 50.0
_PAIRS = 5
_FAILURE = "stage=intake&code=c0&route=r0&shape=workflow+%27%E2%80%A6%27+is+unknown+to+a"
PAGES = {
    "overview": "/",
    "events": "/events",
    "events-of-type": "/events?type=io.example.benchmark.happened.v1",
    "events-of-no-type": "/events?type=io.example.none.v1",
    "events-of-subject": "/events?subject=order-4711",
    "events-since": "/events?since=10m",
    "events-by-cel": "/events?cel=data.total+%3E+0",
    "events-by-id": "/events?q=id+500000",
    "event": f"/events/{uid(SOURCE, 'first')}",
    "dead-letters": "/dead-letters",
    "dead-letters-of-failure": f"/dead-letters/of?{_FAILURE}",
    "dead-letters-dropped": "/dead-letters/of?state=dropped",
    "dead-letters-of-event": "/dead-letters/of?event=id+777",
    "dead-letter": "/dead-letters/25000",
    "routes": "/routes",
    "runs": "/runs",
    "runs-open": "/runs?state=open",
    "runs-of-route": "/runs?route=r3",
    "runs-of-no-route": "/runs?route=none",
    "runs-open-of-no-route": "/runs?route=none&state=open",
    "runs-of-workflow": "/runs?workflow=w777",
    "replays": "/replays",
    "audit": "/audit",
}


async def rows(context: Context) -> AsyncIterator[Row]:
    """Yield a row for each page."""
    async with context.migrated_database() as url, _console(context, url) as parts:
        await fill_all(url)
        raw = await asyncpg.connect(url, command_timeout=600)
        transport = httpx.ASGITransport(application(parts), client=("127.0.0.1", 40_000))
        async with httpx.AsyncClient(
            transport=transport, base_url="http://127.0.0.1:8235", timeout=600
        ) as browser:
            for name, path in PAGES.items():
                yield await _page(name, path, browser, raw)
        await raw.close()


async def _page(
    name: str,
    path: str,
    browser: httpx.AsyncClient,
    raw: "asyncpg.Connection[asyncpg.Record]",
) -> Row:
    await _seen(browser, path)
    with recorded() as statements:
        await _seen(browser, path)
    own: list[Statement] = list(statements)
    await by_hand(raw, own)
    ours, reference = [], []
    for _ in range(_PAIRS):
        ours.append(await _seen(browser, path))
        reference.append(await by_hand(raw, own))
    ratio = statistics.median(a / b for a, b in zip(ours, reference, strict=True))
    return Row(
        name=f"{NAME}.{name}",
        ours=statistics.median(ours),
        reference=statistics.median(reference),
        ratio=ratio,
        unit="ms",
        pairs=_PAIRS,
        note=f"{len(own)} statements; wanted: at most 3, or {ENOUGH:g} ms",
    )


async def _seen(browser: httpx.AsyncClient, path: str) -> float:
    """Return the milliseconds of a page."""
    began = time.perf_counter()
    answer = await browser.get(path)
    took = 1000 * (time.perf_counter() - began)
    if answer.status_code not in (200, 303):
        raise RuntimeError(f"{path}: {answer.status_code} {answer.text}")
    return took


@asynccontextmanager
async def _console(context: Context, url: str) -> AsyncIterator[Parts]:
    with tempfile.TemporaryDirectory() as folder:
        routes = Path(folder) / "routes.yaml"
        start = {"workflow": "Ship", "task_queue": "shipping"}
        names = [f"r{number}" for number in range(ROUTES)]
        routes.write_text(
            yaml.safe_dump(
                {
                    "routes": [
                        {"name": each, "from": f"events.{each}", "start": start}
                        for each in names
                    ]
                }
            )
        )
        loaded = load(
            [
                Source(
                    "the benchmark",
                    {
                        "nats.url": context.addresses.nats_url,
                        "temporal.address": context.addresses.temporal_address,
                        "database.url": url,
                        "routes": str(routes),
                    },
                )
            ]
        )
        async with opened(loaded) as parts:
            yield replace(parts, feed=_uncached(loaded, parts))


def _uncached(loaded: Loaded, parts: Parts) -> OverviewFeed:
    hour = LastHour(parts.activity)
    return OverviewFeed(lambda: overview(loaded, parts.database, hour), every=0.0)
