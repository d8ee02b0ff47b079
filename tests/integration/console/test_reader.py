"""A console whose database role may only read: it shows everything, and says why it cannot act."""

from collections.abc import AsyncIterator

import pytest

from bridge.inspect.audit import Audit
from eventstore.database import Database
from eventstore.store import EventStore
from tests.integration.console.conftest import Console, csrf
from tests.integration.console.test_pages import (
    test_events_are_found_and_their_story_is_shown,
    test_the_overview_shows_lanes_outcomes_and_failures,
)
from tests.support.past import died, recorded
from tests.support.roles import login

__all__ = [
    "test_events_are_found_and_their_story_is_shown",
    "test_the_overview_shows_lanes_outcomes_and_failures",
]

PAGES = ("/", "/events", "/dead-letters", "/routes", "/runs", "/replays", "/audit")


@pytest.fixture
async def url(migrated_database_url: str) -> AsyncIterator[str]:
    async with login(migrated_database_url, "ntbridge_reader") as dsn:
        yield dsn


async def test_every_page_is_shown_and_none_offers_an_action(
    console: Console, database: Database, store: EventStore
) -> None:
    await recorded(store, "order-1")
    letter = await died(database, "no id")
    async with console.logged_in(console.operator) as browser:
        for path in (*PAGES, f"/dead-letters/{letter}"):
            answer = await browser.get(path)
            assert answer.status_code == 200, path
        for path in ("/routes", "/replays", f"/dead-letters/{letter}"):
            assert "This console can only show" in (await browser.get(path)).text, path
        # A form that was open before the role was changed.
        form = {"csrf": await csrf(browser, "/"), "letter": str(letter), "reason": "r"}
        for path in ("/dead-letters/drop", "/dead-letters/redrive"):
            answer = await browser.post(path, data=form)
            assert answer.status_code == 403
            assert "ntbridge_console" in answer.text
    assert await Audit(database).latest(9) == []
