"""Pausing and resuming routes and sources in the console, and where it shows."""

from datetime import timedelta

import httpx

from bridge.inspect.audit import Audit
from bridge.pauses import Pauses
from eventstore.database import Database
from eventstore.store import EventStore
from tests.integration.console.conftest import Console, csrf
from tests.support.past import dispatched, recorded


async def change(
    browser: httpx.AsyncClient,
    verb: str,
    kind: str,
    name: str,
    reason: str = "the bank is away",
) -> httpx.Response:
    form = {
        "csrf": await csrf(browser, "/routes"),
        "kind": kind,
        "name": name,
        "reason": reason,
    }
    return await browser.post(f"/pauses/{verb}", data=form)


async def test_a_route_is_paused_and_resumed_and_every_page_says_so(
    console: Console, database: Database, store: EventStore
) -> None:
    event = await recorded(store, "order-1")
    await dispatched(database, event, state="open", attempts=0, ago=timedelta(0))
    async with console.logged_in(console.operator) as browser:
        answer = await change(browser, "pause", "route", "orders")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/routes")
        pause = (await Pauses(database).held()).routes["orders"]
        assert (pause.who, pause.reason) == ("ada", "the bank is away")
        for path in ("/", "/routes", f"/events/{event.uid}"):
            text = (await browser.get(path)).text
            assert "paused" in text, path
            assert "the bank is away" in text, path
        again = await change(browser, "pause", "route", "orders", "another reason")
        assert again.status_code == 303
        assert (await Pauses(database).held()).routes["orders"] == pause

        assert (await change(browser, "resume", "route", "orders")).status_code == 303
        assert (await Pauses(database).held()).all == []
        assert "the bank is away" not in (await browser.get("/")).text
    found = [
        (each.who, each.via, each.action, each.object)
        for each in await Audit(database).latest(9)
    ]
    assert found == [
        ("ada", "token", "resume", "route orders"),
        ("ada", "token", "pause", "route orders"),
    ]


async def test_a_source_is_paused(console: Console, database: Database) -> None:
    [source] = console.parts.settings.intake.sources
    async with console.logged_in(console.operator) as browser:
        answer = await change(browser, "pause", "source", source.name)
        assert answer.headers["Location"] == "/routes#sources"
        assert [each.name for each in (await Pauses(database).held()).all] == [source.name]
        assert f"source {source.name}" in (await browser.get("/")).text
        # Its settings may have gone meanwhile; it can still be resumed.
        await database.execute("update pauses set name = 'GONE/ntbridge'")
        assert "GONE/ntbridge" in (await browser.get("/routes")).text
        assert (await change(browser, "resume", "source", "GONE/ntbridge")).status_code == 303
    assert (await Pauses(database).held()).all == []


async def test_what_is_not_an_operators_or_wrong_is_refused(
    console: Console, database: Database
) -> None:
    async with console.logged_in(console.viewer) as viewer:
        assert "Pause…" not in (await viewer.get("/routes")).text
        assert (await change(viewer, "pause", "route", "orders")).status_code == 403
    async with console.logged_in(console.operator) as browser:
        for verb, kind, name, reason, status in (
            ("pause", "route", "orders", " ", 400),
            ("pause", "lane", "orders", "r", 400),
            ("drop", "route", "orders", "r", 400),
            ("pause", "route", "unknown", "r", 409),
            ("resume", "source", "orders", "r", 409),
        ):
            answer = await change(browser, verb, kind, name, reason)
            assert answer.status_code == status, (verb, kind, name)
    assert (await Pauses(database).held()).all == []
    assert await Audit(database).latest(9) == []
