"""Every page of the console in a real browser, on a running stack with real events."""

import json
import re
from dataclasses import replace

import pytest
from nats.aio.client import Client
from playwright.async_api import Browser

from bridge.console.tokens import new_token
from eventstore.database import Database
from eventstore.events import uid
from eventstore.store import EventStore
from tests.support.browser import Tab, address_of, browser, needs_chromium
from tests.support.daemon import LIGHT, Bridge, running
from tests.support.past import died
from tests.support.publishing import SOURCE, event, structured
from tests.support.waiting import eventually

__all__ = ["browser"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), needs_chromium]
HOSTILE = "<script>window.boom = 1</script><img src=x onerror='window.boom = 1'>"


async def test_every_page_in_a_browser(
    bridge: Bridge, client: Client, browser: Browser, database: Database, store: EventStore
) -> None:
    token, entry = new_token("operator", "operator")
    bridge = replace(bridge, closures=True)
    console = bridge.console(
        NTBRIDGE_CONSOLE__OPERATOR_SHA256=entry.sha256,
        NTBRIDGE_CONSOLE__TEMPORAL_UI="http://127.0.0.1:8233",
    )
    letter = await died(
        database,
        f"an older release: {HOSTILE}",
        code="schema",
        id="bad",
        payload=HOSTILE.encode(),
    )
    async with running(bridge.daemon(), bridge.light_worker(), console):
        for number in range(3):
            data = {"number": number, "steps": 1, "note": HOSTILE}
            await structured(client, bridge, event(LIGHT, data, id=f"order-{number}"))

        async def completed() -> bool:
            return await store.count() >= 9

        await eventually(completed, within=120, what="three orders with two results each")
        tab = Tab(await browser.new_page(), address_of(console))
        await _looks(tab, bridge, client)
        await _acts(tab, token, letter)


async def _looks(tab: Tab, bridge: Bridge, client: Client) -> None:
    page = tab.page
    await tab.open("/")
    await page.locator(".uplot").wait_for()
    await tab.shows("Daemons and their leases")
    await tab.check("overview")

    await tab.open("/events")
    await tab.shows("live, 0 since this page was opened")
    await tab.check("events")
    new = event(LIGHT, {"number": 7, "steps": 1}, id="order-new")
    await structured(client, bridge, new)
    await page.locator("tr.fresh", has_text="order-new").first.wait_for()
    await page.get_by_role("button", name="Pause").click()
    await structured(client, bridge, event(LIGHT, {"number": 8, "steps": 1}, id="order-later"))
    await tab.shows("paused, ")
    await page.get_by_role("status").filter(has_text=re.compile(r"paused, [1-9]")).wait_for()
    assert await page.get_by_text("order-later").count() == 0
    await page.get_by_role("button", name="Resume").click()
    await tab.shows("order-later")

    await page.keyboard.press("/")
    await page.keyboard.press("Escape")
    await page.fill("#cel", "data.number == 2.0")
    await page.get_by_role("button", name="Search").click()
    await tab.shows("order-2")
    assert "cel=data.number" in page.url
    assert await page.get_by_text("order-1").count() == 0
    await page.get_by_role("link", name="events.light.requested").first.click()
    await tab.shows("What became of it")
    assert page.url.endswith(str(uid(SOURCE, "order-2")))
    for text in ("results.light.stepped", "results.light.completed"):
        assert await page.locator("svg text", has_text=text).count() == 1
    await tab.check("event")

    await tab.open("/routes")
    await page.fill("#event", json.dumps(event(LIGHT, {"number": 1}, id="try")))
    await page.get_by_role("button", name="Test").click()
    await page.locator("#verdicts").get_by_text("matched", exact=True).first.wait_for()
    await tab.check("routes")
    for path, name in (
        ("runs", "runs"),
        ("replays", "no-replays"),
        ("audit", "no-audit"),
        ("pages/approvals", "no-approvals"),
    ):
        await tab.open(f"/{path}")
        await tab.check(name)


async def _acts(tab: Tab, token: str, letter: int) -> None:
    page = tab.page
    await tab.open("/dead-letters")
    await page.get_by_role("link", name="an older release").click()
    await tab.shows("log in")
    await page.get_by_role("link", name="log in", exact=True).click()
    await tab.check("login")
    for given in ("wrong", token):
        await page.fill("#token", given)
        await page.get_by_role("button", name="Log in").click()
        if given == "wrong":
            await tab.shows("This is not a token of this console.")
    await page.fill("#reason", "the browser test")
    await page.get_by_role("button", name="Preview a redrive").click()
    await tab.shows("0 would be redriven")
    await tab.check("dead-letters")
    await page.get_by_role("button", name="Drop").click()
    await tab.shows("1 dropped.")
    await tab.open(f"/dead-letters/{letter}")
    await tab.shows("the browser test")
    await tab.check("dead-letter")
    await tab.open("/audit")
    await tab.shows("the browser test")
    await page.get_by_role("button", name="Log out").click()
    await tab.shows("Token")
