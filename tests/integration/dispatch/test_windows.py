"""Windows in a running dispatcher: who is called with what, after kills of daemons and failures too."""

import asyncio
import json
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from bridge.dead_letters.store import DeadLetters, LetterFilter
from bridge.dispatch.dispatcher import Dispatcher
from bridge.dispatch.window_closer import WindowCloser
from bridge.evaluation import Evaluator
from bridge.history.redrive import Redriver
from bridge.inspect.dispatches import find_dispatches
from bridge.operations.calls import CallError, SignalCall
from bridge.routes.table import RouteTable
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.store import EventStore
from tests.support.daemon_parts import Parts, route, running
from tests.support.roles import login
from tests.support.waiting import eventually

SIGNAL: dict[str, Any] = {
    "signal": {"signal": "s", "workflow_id": "string(data.key)"},
    "start": None,
}


class Signalled:
    """Keeps what workflows are sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, Any]] = []
        self.requests: list[UUID] = []
        self.refuses = 0

    async def signal(self, call: SignalCall) -> str:
        if self.refuses:
            self.refuses -= 1
            raise CallError("INVALID_ARGUMENT", "the script says so")
        self.requests.append(call.request_id)
        argument = json.loads(call.argument.data or b"null")
        self.sent.append((call.workflow_id, numbers(argument)))
        return "run"


def numbers(argument: Any) -> Any:
    if isinstance(argument, list):
        return [each["data"]["number"] for each in argument]
    return argument["data"]["number"]


@pytest.fixture
def signalled() -> Signalled:
    return Signalled()


def windowed(parts: Parts, temporal: Any, **window: Any) -> Parts:
    parts.temporal = temporal
    parts.routes = RouteTable([route(**SIGNAL, **window)])
    return parts


@asynccontextmanager
async def daemons(parts: Parts, *owners: str) -> AsyncIterator[None]:
    """Daemons that dispatch and close windows."""
    dispatchers = [parts.dispatcher(owner) for owner in owners]
    closers = [
        WindowCloser(parts.database, partial(_active, each), each.wake) for each in dispatchers
    ]
    async with running(*dispatchers):
        for each in closers:
            await each.start()
        try:
            yield
        finally:
            for each in closers:
                await each.stop()


def _active(dispatcher: Dispatcher) -> Collection[int]:
    return dispatcher.ownership.active


async def settled(parts: Parts, **states: int) -> None:
    async def look() -> bool:
        return await parts.states() == states

    await eventually(look)


async def test_a_full_batch_is_called_at_once_and_the_rest_when_its_time_is_over(
    parts: Parts, signalled: Signalled
) -> None:
    windowed(parts, signalled, batch={"for": "500ms", "size": 3})
    async with daemons(parts, "one"):
        await parts.plan(*(("a", number) for number in range(1, 6)), ("b", 1))
        await settled(parts, done=3, merged=3)
    assert sorted(signalled.sent) == [("a", [1, 2, 3]), ("a", [4, 5]), ("b", [1])]


async def test_a_burst_is_called_once_with_its_last_event(
    parts: Parts, signalled: Signalled
) -> None:
    windowed(parts, signalled, debounce={"for": "300ms"})
    async with daemons(parts, "one", "two", "three"):
        for number in range(1, 8):
            await parts.plan(("a", number))
        await settled(parts, done=1, merged=6)
    assert signalled.sent == [("a", 7)]
    rows = await parts.rows()
    assert {row["into_id"] for row in rows[:-1]} == {rows[-1]["id"]}


async def test_a_debounced_call_gets_all_events_on_request(
    parts: Parts, signalled: Signalled
) -> None:
    windowed(parts, signalled, debounce={"for": "300ms", "include": "all"})
    async with daemons(parts, "one"):
        await parts.plan(("a", 1), ("a", 2), ("b", 3))
        await settled(parts, done=2, merged=1)
    assert sorted(signalled.sent) == [("a", [1, 2]), ("b", [3])]


async def test_windows_outlive_their_daemon_and_close_once(
    parts: Parts, signalled: Signalled, migrated_database_url: str
) -> None:
    windowed(parts, signalled, batch={"for": "1h", "size": 100})
    await parts.plan(*(("a", number) for number in range(1, 5)))
    await parts.database.execute("update windows set closes_at = clock_timestamp()")
    closers = [await Database.connect(migrated_database_url) for _ in range(3)]
    partitions = list(range(64))
    closed = await asyncio.gather(
        *(each.fetch(STATEMENTS["close_due_windows"], partitions, 100) for each in closers)
    )
    assert sorted(map(len, closed)) == [0, 0, 1]
    for each in closers:
        await each.close()
    async with daemons(parts, "two"):
        await settled(parts, done=1, merged=3)
    assert signalled.sent == [("a", [1, 2, 3, 4])]


async def test_many_transactions_join_windows_of_the_same_keys(
    parts: Parts, signalled: Signalled
) -> None:
    windowed(parts, signalled, batch={"for": "200ms", "size": 7})
    keys = "abcde"
    async with daemons(parts, "one", "two"):
        for first in range(0, 100, 20):
            await asyncio.gather(
                *(
                    # In different orders: transactions must not lock each other out.
                    parts.plan(*((key, n) for key in (keys if n % 2 else reversed(keys))))
                    for n in range(first, first + 20)
                )
            )

        async def all_settled() -> bool:
            states = await parts.states()
            return states.get("done", 0) + states.get("merged", 0) == 500 and len(states) == 2

        await eventually(all_settled)
    for key in keys:
        given = [number for to, numbers in signalled.sent if to == key for number in numbers]
        assert sorted(given) == list(range(100))
        assert max(len(numbers) for _, numbers in signalled.sent) <= 7


async def test_a_dead_letter_of_a_batch_is_redriven_with_the_same_events(
    parts: Parts, signalled: Signalled
) -> None:
    windowed(parts, signalled, batch={"for": "1h", "size": 3})
    signalled.refuses = 1
    async with daemons(parts, "one"):
        await parts.plan(*(("a", number) for number in range(1, 4)))
        await settled(parts, dead=1, merged=2)
        await parts.plan(("a", 4))
        store = EventStore(parts.database)
        uids = (await uids_of(parts))[:3]
        used = await parts.database.fetch(STATEMENTS["events_in_use"], uids)
        assert {row["uid"] for row in used} == set(uids)
        (letter,) = await DeadLetters(parts.database).find(LetterFilter(), 10)
        async with Evaluator() as evaluator:
            redriver = Redriver(
                *(parts.database, store, parts.routes, evaluator),
                max_hops=16,
                late=None,  # type: ignore[arg-type]
                who="tests",
            )
            result = await redriver.redrive(letter.id)
        assert (result.outcome, "with 2 other events" in result.detail) == ("redriven", True)
        await settled(parts, dead=1, merged=4, done=1, gathering=1)
        await store.aclose()
    assert signalled.sent == [("a", [1, 2, 3])]
    assert await parts.database.fetch(STATEMENTS["events_in_use"], uids) == []


async def test_what_a_console_plans_is_put_into_windows_by_a_daemon(
    parts: Parts, signalled: Signalled, migrated_database_url: str
) -> None:
    async with login(migrated_database_url, "ntbridge_console", "console") as url:
        console = await Database.connect(url)
        planning = windowed(
            Parts(console, signalled), signalled, batch={"for": "1h", "size": 2}
        )
        await planning.plan(("a", 1), ("a", 2))
        await console.close()
    windowed(parts, signalled)
    assert await parts.states() == {"gathering": 2}
    async with daemons(parts, "one"):
        await settled(parts, done=1, merged=1)
    assert signalled.sent == [("a", [1, 2])]


async def test_what_a_call_will_give_is_kept_until_it_is_made(
    parts: Parts, signalled: Signalled
) -> None:
    windowed(parts, signalled, batch={"for": "1h", "size": 3})
    await parts.plan(("a", 1), ("a", 2), ("a", 3))

    async def removed() -> int:
        later = await parts.database.fetchval("select clock_timestamp() + '1h'::interval")
        found = await parts.database.fetch(STATEMENTS["remove_settled_dispatches"], 0, later, 9)
        return int(found[0]["removed"])

    assert await removed() == 0
    await parts.database.execute(STATEMENTS["erase_dispatches"], await uids_of(parts))
    async with daemons(parts, "one"):
        await settled(parts, done=1, merged=2)
    assert signalled.sent == [("a", [1, 2, 3])]
    assert await removed() == 3


async def uids_of(parts: Parts) -> list[UUID]:
    return [row["uid"] for row in await parts.rows()]


async def test_the_call_of_a_window_asks_for_a_slot(parts: Parts) -> None:
    key = "string(data.key)"
    parts.routes = RouteTable(
        [route(concurrency={"key": key}, batch={"for": "1h", "size": 2, "key": key})]
    )
    await parts.plan(*(("a", number) for number in range(1, 7)))
    assert await parts.states() == {"open": 1, "queued": 2, "merged": 3}
    await parts.plan(("a", 7))
    await parts.database.execute("update windows set closes_at = clock_timestamp()")
    await parts.database.fetch(STATEMENTS["close_due_windows"], list(range(64)), 100)
    rows = await parts.rows()
    assert [row["state"] for row in rows[1::2]] == ["open", "queued", "queued"]
    assert (rows[-1]["state"], rows[-1]["queued_at"] is None) == ("queued", False)


async def test_a_clock_that_goes_back_holds_no_window_open(
    parts: Parts, signalled: Signalled
) -> None:
    windowed(parts, signalled, debounce={"for": "100ms"})
    await parts.plan(("a", 1), ("a", 2))
    await parts.database.execute(
        "update windows set opened_at = opened_at + '2h'::interval,"
        " joined_at = joined_at + '2h'::interval, closes_at = closes_at + '2h'::interval"
    )
    async with daemons(parts, "one"):
        await settled(parts, done=1, merged=1)
    assert signalled.sent == [("a", 2)]


async def test_a_dispatch_says_with_what_it_is_called(
    parts: Parts, signalled: Signalled
) -> None:
    windowed(parts, signalled, batch={"for": "1h", "size": 2})
    await parts.plan(("a", 1), ("a", 2), ("a", 3))
    first, second, third = await find_dispatches(
        parts.database, ["open", "merged", "gathering"], 10
    )
    assert first.together == f"went into the call of event a-2 (dispatch {second.id}, open)"
    assert second.together == "calls with 2 events"
    assert third.holds == [third.together]
    assert (third.together or "").startswith(
        "gathers in an open batch of key a with 0 other events until 20"
    )


async def test_a_batch_leaves_out_events_whose_data_were_removed(
    parts: Parts, signalled: Signalled
) -> None:
    windowed(parts, signalled, batch={"for": "1h", "size": 3})
    await parts.plan(("a", 1), ("a", 2), ("a", 3))
    rows = await parts.rows()
    (members,) = [row["member_ids"] for row in rows if row["member_ids"]]
    assert members == [row["id"] for row in rows]
    await parts.database.execute("alter table events disable trigger all")
    await parts.database.execute(
        "update events set removal = 1, data = null where uid = $1", rows[1]["uid"]
    )
    async with daemons(parts, "one"):
        await settled(parts, done=1, merged=2)
    assert signalled.sent == [("a", [1, 3])]
