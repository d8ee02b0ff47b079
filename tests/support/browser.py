"""A real browser for tests of the console: Chromium of Debian, driven by Playwright.

The pictures in docs/images are made by these tests: ``CONSOLE_SCREENSHOTS=docs/images`` makes them again.
With ``CONSOLE_WHOLE_PAGES=1`` there is one of every page at every width, to look at.
"""

import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright
from playwright.async_api import TimeoutError as PlaywrightTimeout

from bridge.devstack.child import Child

CHROMIUM = shutil.which("chromium")
AXE = Path(__file__).parents[1] / "integration" / "console" / "axe" / "axe.min.js"
PATIENCE = 60_000.0
"""Milliseconds: a busy machine takes its time."""
WIDTHS = (380, 1400)
KEPT = (
    *("overview", "events", "event", "dead-letters", "routes"),
    *("routes-paused", "replay-preview", "replay", "approvals"),
)
"""Pages of which docs/console.md has a picture."""

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="Chromium is not installed (apt-get install chromium)"
)


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
        """Check width, accessibility and that nothing acted; keep pictures if they are wanted."""
        for width in WIDTHS:
            await self.page.set_viewport_size({"width": width, "height": 900})
            # Plots take the new width a moment after the window has.
            fits = f"document.documentElement.scrollWidth <= {width}"
            with suppress(PlaywrightTimeout):
                await self.page.wait_for_function(fits, timeout=PATIENCE)
            wide = await self.page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, (name, width, wide)
            found = await self.page.evaluate(f"{AXE.read_text('utf-8')}; axe.run()")
            serious = [
                (each["id"], each["nodes"][0]["html"])
                for each in found["violations"]
                if each["impact"] in ("serious", "critical")
            ]
            assert serious == [], (name, width, serious)
            await self._keep(name, width)
        assert await self.page.evaluate("window.boom") is None, name
        assert self.faults == [], name

    async def shows(self, text: str) -> None:
        """Wait until a text is visible."""
        await self.page.get_by_text(text).first.wait_for()

    async def press(self, name: str) -> None:
        """Press the button of this name."""
        await self.page.get_by_role("button", name=name, exact=True).click()

    async def log_in(self, token: str) -> None:
        """Log in, and be on the overview."""
        await self.open("/login")
        await self.page.fill("#token", token)
        await self.press("Log in")
        await self.shows("Log out")

    async def _keep(self, name: str, width: int) -> None:
        folder = os.environ.get("CONSOLE_SCREENSHOTS")
        is_all, is_narrow = "CONSOLE_WHOLE_PAGES" in os.environ, width != WIDTHS[-1]
        if folder and (is_all or (name in KEPT and not is_narrow)):
            path = Path(folder) / f"console-{name}{'-narrow' if is_narrow else ''}.png"
            await self.page.screenshot(path=path, full_page=is_all)

    def _heard(self, message: Any) -> None:
        # Chromium's advice on password forms, and what the test itself provokes.
        if message.type == "error" and "403" not in message.text:
            self.faults.append(message.text)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith(self._url):
            self.faults.append(f"asked {request.url}")


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    """The browser, without a window."""
    async with async_playwright() as driver:
        opened = await driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        await opened.close()


def address_of(console: Child) -> str:
    """The address of a console, from its log."""
    line = next(each for each in console.output().splitlines() if "console.listening" in each)
    return str(json.loads(line)["url"])
