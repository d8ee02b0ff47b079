"""One question, one answer: of the command line for people, of its JSON, and of the console."""

import asyncio
import html
import json
import re
from typing import Any

import pytest

from bridge.cli.main import _run
from bridge.devstack.addresses import Addresses
from bridge.pauses import Pauses
from eventstore.database import Database
from eventstore.events import Origin
from eventstore.store import EventStore
from tests.integration.console.conftest import Console
from tests.support.past import died, dispatched, recorded


@pytest.fixture
def _settings(
    console: Console, stack: Addresses, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Commands find what the console has."""
    monkeypatch.chdir(console.parts.settings.routes.parent)
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("NATS_URL", stack.nats_url)
    monkeypatch.setenv("TEMPORAL_ADDRESS", stack.temporal_address)


class Asked:
    """The answers to one question."""

    def __init__(self, console: Console, capsys: pytest.CaptureFixture[str]) -> None:
        self._console = console
        self._capsys = capsys

    async def command(self, *words: str) -> tuple[str, Any]:
        """What a command says to people, and as JSON."""
        texts = []
        for output in ("table", "json"):
            await asyncio.to_thread(_run, [*words, "-o", output])
            texts.append(self._capsys.readouterr().out)
        return " ".join(texts[0].split()), json.loads(texts[1])

    async def page(self, path: str, **query: str) -> str:
        """What a page says, as text."""
        async with self._console.browser() as browser:
            answer = await browser.get(path, params=query, follow_redirects=True)
        plain = re.sub(r"<[^>]+>", " ", answer.text)
        return " ".join(html.unescape(plain).split())


async def story(database: Database, store: EventStore) -> None:
    """An order whose dispatches wait for three reasons, with a result and a dead letter."""
    order = await recorded(store, "order-1", {"total": 12.5}, subject="4711")
    shipped = await recorded(
        store, "shipped-1", stream="run-ship/order-1", topic="results.shop.shipped",
        origin=Origin.EMITTED, cause=order,
    )  # fmt: skip
    await dispatched(database, order, target="ship/order-1", state="done")
    await dispatched(database, shipped, "mail", state="open", key="mail/1", error="no worker")
    await database.execute(
        "update dispatches set attempts = 2, next_attempt_at = now() + interval '5 hours 5 minutes'"
        " where route = 'mail'"
    )
    await dispatched(database, shipped, "stock", state="open", key="mail/1", attempts=0)
    await dispatched(database, shipped, "orders", state="open", key="other", attempts=0)
    await died(
        database, "no such item", stage="dispatch", route="bill", uid=order.uid, id="order-1"
    )
    await Pauses(database).pause("route", "orders", who="ada", via="a test", reason="counting")


def every(story: Any, member: str) -> list[Any]:
    """All values of a member, anywhere in a JSON value."""
    if isinstance(story, list):
        return [found for each in story for found in every(each, member)]
    if not isinstance(story, dict):
        return []
    own = [story[member]] if member in story else []
    return own + [found for each in story.values() for found in every(each, member)]


@pytest.mark.usefixtures("_settings")
async def test_what_became_of_an_order(
    console: Console, database: Database, store: EventStore, capsys: pytest.CaptureFixture[str]
) -> None:
    await story(database, store)
    asked = Asked(console, capsys)
    page = await asked.page("/events", q="4711")
    for command in ("explain", "trace"):
        text, answer = await asked.command(command, "4711")
        holds = [hold for found in every(answer, "holds") for hold in found]
        assert len(holds) == 3, holds
        for hold in ("is paused since", "blocked by", "next try in 5 h (attempt 3)"):
            assert any(hold in each for each in holds), (hold, holds)
        for words in holds:
            # A page writes every time in the same way, until its script shows it in the browser's zone.
            assert re.sub(r"(?<=:\d\d)Z", " UTC", words) in page, words
            assert words in text, words
        for route in every(answer, "route"):
            assert route in page
            assert route in text
        for topic in every(answer, "topic"):
            assert topic in page
            assert topic in text


@pytest.mark.usefixtures("_settings")
async def test_which_events_are_there(
    console: Console, store: EventStore, capsys: pytest.CaptureFixture[str]
) -> None:
    for number in range(5):
        await recorded(store, f"order-{number}", {"total": number}, subject="4711")
    asked = Asked(console, capsys)
    text, answer = await asked.command("events", "ls", "--where", "data.total > 1.5")
    page = await asked.page("/events", cel="data.total > 1.5")
    ids = [row["id"] for row in answer]
    assert ids == ["order-4", "order-3", "order-2"]
    assert re.findall(r"\border-\d\b", text) == ids
    # Each event has its correlation beside it, which is its own id.
    assert list(dict.fromkeys(re.findall(r"\border-\d\b", page))) == ids
    several, found = await asked.command("explain", "4711")
    choices = await asked.page("/events", q="4711")
    assert {each["event"]["id"] for each in found} == {f"order-{number}" for number in range(5)}
    for number in range(5):
        assert f"order-{number}" in several
        assert f"order-{number}" in choices


@pytest.mark.usefixtures("_settings")
async def test_is_it_well(
    console: Console, database: Database, store: EventStore, capsys: pytest.CaptureFixture[str]
) -> None:
    await story(database, store)
    asked = Asked(console, capsys)
    text, answer = await asked.command("status")
    page = await asked.page("/")
    assert answer["ready"] is False
    assert "Not ready" in page
    for check in {each["check"] for each in answer["findings"] if each["state"] == "failed"}:
        assert check in page, check
        assert check in text, check
    for what in ("lanes", "pauses", "failures"):
        assert answer[what], what
    for lane in answer["lanes"]:
        assert lane["key"] in page
        assert lane["key"] in text
    for pause in answer["pauses"]:
        assert f"{pause['kind']} {pause['name']}" in page
        assert pause["reason"] in page
        assert f"{pause['name']} (paused)" in text
    for each in answer["pending"]:
        assert each["route"] in text
    for failure in answer["failures"]:
        assert failure["shape"] in page
