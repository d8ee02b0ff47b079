"""The console in a real browser, on a running stack with real events.

The screenshots in docs/images are those of this test: CONSOLE_SCREENSHOTS=docs/images makes them anew.
"""

import json
import os
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from nats.aio.client import Client
from playwright.async_api import Browser, Page, async_playwright

from bridge.console.tokens import new_token
from eventstore.database import Database
from eventstore.events import uid
from eventstore.store import EventStore
from tests.support.daemon import LIGHT, Bridge, running
from tests.support.past import died
from tests.support.publishing import SOURCE, event, structured
from tests.support.waiting import eventually

CHROMIUM = shutil.which("chromium")
AXE = Path(__file__).parent / "axe" / "axe.min.js"
PATIENCE = 60_000.0
"""Milliseconds: a busy machine takes its time."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)"
    ),
]
KEPT = ("overview", "events", "event", "dead-letters", "routes")
"""Pages of which docs/console.md has a picture."""
HOSTILE = "<script>window.boom = 1</script><img src=x onerror='window.boom = 1'>"


class Tab:
    """A page of the browser that notes what must not happen on any page."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url
        self.faults: list[str] = []
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        page.on("console", self._heard)
        page.on("request", self._asked)

    async def open(self, path: str) -> None:
        """Open a page and wait until it is loaded, with its scripts."""
        await self.page.goto(self._url + path, wait_until="load")

    async def check(self, name: str) -> None:
        """Check width, accessibility and that nothing acted; keep a screenshot if it is wanted."""
        for width in (380, 1400):
            await self.page.set_viewport_size({"width": width, "height": 900})
            wide = await self.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (name, width, wide)
            found = await self.page.evaluate(f"{AXE.read_text('utf-8')}; axe.run()")
            serious = [
                (each["id"], each["nodes"][0]["html"])
                for each in found["violations"]
                if each["impact"] in ("serious", "critical")
            ]
            assert serious == [], (name, width, serious)
        assert await self.page.evaluate("window.boom") is None, name
        assert self.faults == [], name
        folder = os.environ.get("CONSOLE_SCREENSHOTS")
        if folder and name in KEPT:
            await self.page.screenshot(path=Path(folder) / f"console-{name}.png")

    async def shows(self, text: str) -> None:
        """Wait until a text is visible."""
        await self.page.get_by_text(text).first.wait_for()

    def _heard(self, message: Any) -> None:
        # Chromium's advice on password forms, and what the test itself provokes.
        if message.type == "error" and "403" not in message.text:
            self.faults.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(self._url):
            self.faults.append(f"asked {request.url}")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as driver:
        opened = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        await opened.close()


def address_of(log: str) -> str:
    """The console's address, from its log."""
    line = next(each for each in log.splitlines() if "console.listening" in each)
    return str(json.loads(line)["url"])


async def test_every_page_in_a_browser(
    bridge: Bridge, client: Client, browser: Browser, database: Database, store: EventStore
) -> None:
    token, entry = new_token("operator", "operator")
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
        tab = Tab(await browser.new_page(), address_of(console.output()))
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
    for name in ("runs", "replays", "audit", "pages/approvals"):
        await tab.open(f"/{name}")
        await tab.check(name.rpartition("/")[2])


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
