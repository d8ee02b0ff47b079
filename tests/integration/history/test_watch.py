"""`results.watch`: the past from the store, then live, without gap or repeat."""

import asyncio
from contextlib import aclosing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client

from bridge import results
from bridge.errors import ExpressionError, SourceMissing
from eventstore.database import Database
from eventstore.events import NewEvent
from eventstore.store import EventStore
from tests.support import history
from tests.support.cli import ntbridge
from tests.support.daemon import Bridge
from tests.support.proxy import Proxy
from tests.support.relays import passed, rebuild, relaying
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

HOUR = timedelta(hours=1)


class Seen:
    """A watch that runs beside the test."""

    def __init__(self, bridge: Bridge, **conditions: Any) -> None:
        self.results: list[results.Result] = []
        self.said: list[str] = []
        self._task = asyncio.create_task(self._watch(bridge, conditions))

    async def _watch(self, bridge: Bridge, conditions: dict[str, Any]) -> None:
        found = results.watch(settings=bridge.settings, say=self.said.append, **conditions)
        async with aclosing(found) as watched:
            async for result in watched:
                self.results.append(result)

    @property
    def positions(self) -> list[int | None]:
        return [result.position for result in self.results]

    async def is_live(self, times: int = 1) -> None:
        await eventually(
            lambda: self.said.count("listening for result events; Ctrl-C ends") >= times
        )

    async def has(self, count: int) -> None:
        await eventually(lambda: self._task.done() or len(self.results) >= count, within=30)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


async def test_past_and_present_meet_without_gap_or_repeat(
    bridge: Bridge, database: Database, store: EventStore
) -> None:
    events = await history.fill(store, 300)
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, events[-1].position)
    # The relay is behind when the watch begins, and catches up while it reads.
    await history.fill(store, 300, first=301)
    watch = Seen(bridge, since=HOUR)
    async with relaying(bridge, database, store) as (relay, _):
        more = asyncio.create_task(history.fill(store, 300, first=601))
        await watch.is_live()
        await more
        last = await history.fill(store, 1, first=901)
        await passed(relay, last[0].position)
        await watch.has(901)
    await watch.stop()
    stored = [each.position async for each in store.read_all()]
    assert watch.positions == stored
    assert [each.data["number"] for each in watch.results[-3:]] == [899, 900, 901]


async def test_a_lost_connection_is_made_anew(
    bridge: Bridge, database: Database, store: EventStore
) -> None:
    async with Proxy.to(bridge.addresses.nats_url) as proxy:
        addresses = replace(bridge.addresses, nats_url=proxy.through(bridge.addresses.nats_url))
        watch = Seen(replace(bridge, addresses=addresses))
        async with relaying(bridge, database, store):
            await watch.is_live()
            for first in (1, 31, 61):
                await history.fill(store, 30, first=first)
                await watch.has(first)
                proxy.cut()
            await watch.has(90)
    await watch.stop()
    assert watch.positions == [each.position async for each in store.read_all()]
    assert any("was lost" in said for said in watch.said)


async def test_a_stream_that_is_made_anew_from_the_store_is_no_news(
    bridge: Bridge, client: Client, database: Database, store: EventStore
) -> None:
    past = await history.fill(store, 30)
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, past[-1].position)
        watch = Seen(bridge)
        await watch.is_live()
        await client.jetstream().delete_stream(f"{bridge.prefix}-RESULTS")
        assert await rebuild(bridge, database, store, past[-1].position) == 0
        news = await history.fill(store, 5, first=31)
        await watch.has(5)
    await watch.stop()
    assert watch.positions == [each.position for each in news]


async def test_it_ends_with_the_run_and_with_its_status(
    bridge: Bridge, store: EventStore, tmp_path: Path
) -> None:
    for run, ending in (("one", "completed"), ("two", "failed")):
        for number, name in enumerate(("begun", ending), 1):
            event = history.happened(
                number,
                id=f"{run} {name}",
                source="/temporal/default/Ship",
                subject=f"ship/{run}",
                type=f"io.example.shop.{name}.v1",
                extensions={"correlationid": run},
            )
            new = NewEvent(event=event, topic=f"results.shop.{name}")
            await store.append(f"run-{run}", [new])
    common = ("results", "watch", "--since", "1h", "--until-closed")
    cases: list[tuple[tuple[str, ...], int, list[str]]] = [
        (("--correlation", "one"), 0, ["one begun", "one completed"]),
        (("--correlation", "two"), 1, ["two begun", "two failed"]),
        (("--workflow", "ship/two"), 1, ["two begun", "two failed"]),
        (("--workflow", "Ship", "--where", "data.number == 2"), 0, ["one completed"]),
        (("--type", "io.example.shop.f*"), 1, ["two failed"]),
    ]
    runs = [
        ntbridge(*common, *flags, cwd=tmp_path, env=bridge.environment) for flags, _, _ in cases
    ]
    for (flags, code, ids), done in zip(cases, await asyncio.gather(*runs), strict=True):
        assert (done.code, [row["id"] for row in done.rows]) == (code, ids), (flags, done.err)


async def test_what_is_wrong_with_a_wish_is_told_at_once(
    bridge: Bridge, client: Client
) -> None:
    with pytest.raises(ExpressionError):
        await anext(results.watch(settings=bridge.settings, where="data.n >"))
    await client.jetstream().delete_stream(f"{bridge.prefix}-RESULTS")
    with pytest.raises(SourceMissing):
        await anext(results.watch(settings=bridge.settings))
