"""From a commit to a subscriber's handler, at 500 appends a second."""

import asyncio
import time

from eventstore.database import Database
from eventstore.store import EventStore
from tests.benchmarks.eventstore_append import event
from tests.benchmarks.harness import Context, Row, against_targets

NAME = "eventstore.live"

RATE = 500
SECONDS = 4
ROUNDS = 5
TARGETS = {"p50": 10.0, "p99": 50.0}


async def rows(context: Context) -> list[Row]:
    rounds = []
    for _ in range(ROUNDS):
        async with context.migrated_database() as url:
            rounds.append(await measure(url))
    return against_targets(NAME, rounds, TARGETS, note=f"commit to handler at {RATE} appends/s")


async def measure(url: str) -> list[float]:
    """Milliseconds from each append's answer to its arrival, appender and subscriber on pools of their own."""
    writing, reading = await Database.connect(url), await Database.connect(url)
    store = EventStore(writing)
    committed: dict[int, float] = {}
    arrived: dict[int, float] = {}
    total = RATE * SECONDS
    done = asyncio.Event()

    async def follow() -> None:
        async with EventStore(reading).subscribe() as subscription:
            async for batch in subscription.batches():
                now = time.perf_counter()
                arrived.update((stored.position, now) for stored in batch.events)
                if len(arrived) >= total:
                    done.set()

    async def append(number: int) -> None:
        result = await store.append(f"live-{number}", [event(100)])
        committed[result.positions[0]] = time.perf_counter()

    follower = asyncio.create_task(follow())
    started = time.perf_counter()
    appends = []
    for number in range(total):
        await asyncio.sleep(max(0.0, started + number / RATE - time.perf_counter()))
        appends.append(asyncio.create_task(append(number)))
    await asyncio.gather(*appends)
    await done.wait()
    follower.cancel()
    await asyncio.wait([follower])
    await store.aclose()
    await writing.close()
    await reading.close()
    # An event can arrive before its own appender has been told of its commit.
    return [max(0.0, arrived[p] - committed[p]) * 1000 for p in committed]
