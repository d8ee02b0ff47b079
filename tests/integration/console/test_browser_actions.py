"""What operators do in a real browser, on a running stack: redrive, pause, replay, answer."""

import json
import re
from pathlib import Path

import pytest
import yaml
from nats.aio.client import Client
from playwright.async_api import Browser, expect

from bridge import samples
from bridge.console.tokens import as_yaml, new_token
from bridge.inspect.audit import Audit
from eventstore.database import Database
from tests.support import publishing
from tests.support.browser import PATIENCE, Tab, address_of, browser, needs_chromium
from tests.support.daemon import LIGHT, Bridge, running
from tests.support.past import died_as_event
from tests.support.pipelines_bridge import PipelinesBridge
from tests.support.waiting import eventually

__all__ = ["browser"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), needs_chromium]


def person(folder: Path, name: str) -> tuple[str, dict[str, str]]:
    """A token of an operator, and the settings of a console that knows it."""
    token, entry = new_token(name, "operator")
    file = folder / "tokens.yaml"
    file.write_text(as_yaml([entry]))
    return token, {"NTBRIDGE_CONSOLE__TOKENS": str(file)}


async def test_redrive_pause_and_replay(
    bridge: Bridge, client: Client, browser: Browser, database: Database
) -> None:
    token, settings = person(bridge.folder, "ada")
    console = bridge.console(**settings)
    light = publishing.event(LIGHT, {"number": 1, "steps": 1}, id="order-redriven")
    for number in range(3):
        await died_as_event(
            database, light if number == 0 else {**light, "id": f"other-{number}"},
            f"an older release: field {number}", topic="events.light.requested",
        )  # fmt: skip
    async with running(bridge.daemon(), bridge.light_worker(), console):
        tab = Tab(await browser.new_page(), address_of(console))
        await tab.log_in(token)
        await redrive(tab)
        await pause_and_resume(tab, bridge, client)
        await try_routes(tab, bridge)
        await replay(tab, database)
    actions = [each.action for each in await Audit(database).latest(9)]
    assert actions == ["replay", "resume", "pause", "redrive"]


async def redrive(tab: Tab) -> None:
    page = tab.page
    await tab.open("/dead-letters")
    await page.get_by_role("link", name="an older release").click()
    await page.fill("#reason", "the release is repaired")
    await tab.press("Preview a redrive")
    await tab.shows("3 would be redriven")
    await tab.check("dead-letters")
    await tab.press("Redrive")
    await tab.shows("3 redriven, 0 not")
    # The list below is asked for again.
    await tab.shows("No dead letter is here any more.")
    await tab.check("redriven")
    await completed(tab, "order-redriven")


async def completed(tab: Tab, event: str) -> None:
    """Wait until the page of an event shows the result of its run."""
    page = tab.page

    async def shown() -> bool:
        await tab.open(f"/events?q={event}")
        return await page.locator("svg text", has_text="results.light.completed").count() == 1

    await eventually(shown, within=120, what=f"the result of {event}")


async def pause_and_resume(tab: Tab, bridge: Bridge, client: Client) -> None:
    page, route = tab.page, bridge.light_route
    await tab.open("/routes")
    await page.get_by_label(f"Pause route {route}").click()
    form = page.locator("details.act[open]")
    await form.get_by_role("textbox").fill("the bank is away until noon")
    await tab.check("pause")
    await form.get_by_role("button").click()
    await tab.shows("paused since")
    await tab.check("routes-paused")
    held = publishing.event(LIGHT, {"number": 2, "steps": 1}, id="order-held")
    await publishing.structured(client, bridge, held)

    async def recorded() -> bool:
        await tab.open("/events?q=order-held")
        return await page.get_by_text(f"route {route} is paused since").count() > 0

    await eventually(recorded, within=120, what="the event that waits")
    await tab.check("event-held")
    await tab.open("/")
    await tab.shows("the bank is away until noon")
    await tab.check("overview-paused")
    await tab.open("/routes")
    await page.get_by_label(f"Resume route {route}").click()
    form = page.locator("details.act[open]")
    await form.get_by_role("textbox").fill("it is back")
    await form.get_by_role("button").click()
    await expect(page.get_by_text("paused since")).to_have_count(0, timeout=PATIENCE)
    await completed(tab, "order-held")


async def try_routes(tab: Tab, bridge: Bridge) -> None:
    page = tab.page
    await tab.open("/routes")
    await page.get_by_role("link", name="Try changed routes").click()
    await tab.shows("Nothing is called, recorded or changed.")
    await tab.check("routes-diff")
    await tab.press("Compare")
    await tab.shows("the routes are equal: there is nothing to compare")
    changed = bridge.folder / "proposal.yaml"
    routes = yaml.safe_load(bridge.routes_file.read_text())
    routes["routes"] = [
        {**each, "when": "data.number > 1.0"} if each["name"] == bridge.light_route else each
        for each in routes["routes"]
    ]
    changed.write_text(yaml.safe_dump(routes))
    await page.set_input_files("#upload", changed)
    await expect(page.locator("#proposal")).to_have_value(re.compile("data.number > 1.0"))
    await tab.press("Compare")
    await tab.shows("would be called no longer")
    await tab.check("routes-diff-result")
    # The first event of a difference leads to its page.
    await page.locator("#difference").get_by_role("link", name="order-redriven").first.click()
    await expect(page).to_have_url(re.compile("/events/[0-9a-f-]{36}$"), timeout=PATIENCE)


async def replay(tab: Tab, database: Database) -> None:
    page = tab.page
    await tab.open("/replays")
    await page.fill("#type", LIGHT)
    await page.fill("#cel", "data.number >= 1.0")
    await page.get_by_label("NATS: subscribers get copies").check()
    await page.fill("#rate", "5")
    await tab.press("Count, and show what it would do")
    await tab.shows("4 events. Nothing was sent.")
    await tab.check("replay-preview")
    assert await database.fetchval("select count(*) from replays") == 0
    await page.fill("#reason", "a new subscriber")
    await tab.press("Begin the replay")
    await tab.shows("Stop or continue it")
    # The page is not loaded again: the progress comes by itself.
    await page.get_by_text("finished", exact=True).first.wait_for()
    await tab.shows("4 of 4 events")
    await tab.shows("It is finished.")
    await tab.check("replay")
    await tab.open("/replays")
    await tab.shows("4 of 4")
    await tab.check("replays")
    await tab.open("/audit")
    await tab.shows("a new subscriber")
    await tab.check("audit")


async def test_a_question_of_a_run_is_answered(
    bridge: Bridge, client: Client, browser: Browser, database: Database
) -> None:
    pipelines = PipelinesBridge(**vars(bridge))
    await pipelines.set_up()
    token, settings = person(bridge.folder, "ann")
    worker = pipelines.worker(
        NTBRIDGE_WORKER_MODULES="qinfra",
        NTBRIDGE_WORKER_STATE=str(pipelines.state),
        NTBRIDGE_WORKER_QINFRA__RULES='{"high_environments": ["production*"]}',
    )
    console = pipelines.console(**settings)
    async with running(pipelines.daemon(), worker, console):
        tab = Tab(await browser.new_page(), address_of(console))
        await tab.log_in(token)
        wanted = json.loads(samples.event("infra-provision"))
        await publishing.structured(
            client, pipelines, publishing.event(wanted["type"], wanted["data"], id="wanted")
        )

        async def asked() -> bool:
            await tab.open("/pages/approvals")
            return await tab.page.get_by_role("button", name="Grant").count() == 1

        await eventually(asked, within=120, what="the question of the run")
        await tab.check("approvals")
        await tab.page.get_by_label("Reason").fill("the plan is right")
        await tab.press("Grant")
        await tab.shows("granted by ann")
        await tab.check("approved")
    [action] = await Audit(database).latest(9)
    assert (action.who, action.action, action.reason) == ("ann", "grant", "the plan is right")
