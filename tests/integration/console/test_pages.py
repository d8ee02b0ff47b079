"""Each page with real rows: what it shows, and that it trusts no text of others."""

import asyncio
from datetime import timedelta
from html.parser import HTMLParser

from typing_extensions import override

from bridge.console.pages import events, overview
from bridge.history.replay.selection import Selection
from bridge.history.replay.store import Launch, Replays, ToNats
from bridge.inspect.replays import find_replays
from bridge.pauses import Pauses
from eventstore.database import Database
from eventstore.events import Origin, StoredEvent
from eventstore.filters import Filter
from eventstore.store import EventStore
from tests.integration.console.conftest import Console, csrf
from tests.support.hostile import ACTED_UPON, HOSTILE
from tests.support.past import died, dispatched, ran, recorded

PAGES = [
    "/",
    "/events",
    "/dead-letters",
    "/dead-letters/of?state=dropped",
    "/routes",
    "/routes/diff",
    "/runs",
    "/replays",
    "/audit",
    "/login",
]
ATTACKS = {
    "script": "<script>boom()</script>",
    "attribute": "\"' onmouseover=boom() x='\"",
    "end of a comment": "--><img src=x onerror=boom()>",
    "entity": "&lt;script&gt;&#60;b&#62;",
    "template": "{{ 7 * 7 }}{% raw %}",
    "address": "javascript:boom()",
    "end of a text area": "</textarea></title></style></svg><script>boom()</script>",
    **{
        name: text
        for name, text in HOSTILE.items()
        if text and "\0" not in text and text.isprintable()
    },
}


class Parsed(HTMLParser):
    """The scripts, event handlers and addresses of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.feed(text)

    @override
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name.startswith("on") or name == "style":
                self.faults.append(f"{tag} {name}={value}")
            if name in ("src", "href") and (value or "").lower().startswith(
                ("javascript:", "data:", "//")
            ):
                self.faults.append(f"{tag} {name}={value}")
        if tag == "script" and not dict(attrs).get("src", "").startswith("/static/"):  # type: ignore[union-attr]
            self.faults.append("a script")
        if tag in ("img", "iframe", "object", "style", "base"):
            self.faults.append(tag)


async def test_each_page_of_an_empty_bridge_says_what_to_do(console: Console) -> None:
    async with console.browser() as browser:
        for path in PAGES:
            answer = await browser.get(path)
            assert answer.status_code == 200
            assert "</html>" in answer.text
            assert "None" not in answer.text.replace("None.", "")
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert answer.headers["Cache-Control"] == "no-store"
            assert Parsed(answer.text).faults == []


async def chain(database: Database, store: EventStore) -> tuple[StoredEvent, StoredEvent]:
    order = await recorded(store, "order-1", {"total": 12.5})
    await dispatched(database, order, target="ship/order-1", state="done")
    shipped = await recorded(
        store, "shipped-1", {"by": "post"}, stream="run-ship/order-1", topic="results.shop.shipped",
        origin=Origin.EMITTED, cause=order,
    )  # fmt: skip
    await dispatched(database, shipped, "mail", state="open", attempts=2, error="no worker")
    return order, shipped


async def test_events_are_found_and_their_story_is_shown(
    console: Console, database: Database, store: EventStore
) -> None:
    order, shipped = await chain(database, store)
    await recorded(store, "other", {"total": 1})
    async with console.browser() as browser:
        by_data = (await browser.get("/events", params={"cel": "data.total > 10.0"})).text
        assert "order-1" in by_data
        assert "other" not in by_data
        wrong = await browser.get("/events", params={"cel": "data.total >"})
        assert 'role="alert"' in wrong.text
        assert 'role="alert"' in (await browser.get("/events", params={"since": "soon"})).text
        assert 'role="alert"' in (await browser.get("/events", params={"before": "x"})).text
        single = await browser.get("/events", params={"q": "other"})
        assert single.status_code == 303
        # The event, not those of its correlation: its page has them all.
        first = await browser.get("/events", params={"q": "order-1"})
        assert first.headers["Location"] == f"/events/{order.uid}"
        begun = await browser.get("/events", params={"q": str(order.uid)[:8]})
        assert begun.headers["Location"] == f"/events/{order.uid}"
        await recorded(store, "order-2", subject="customer-7")
        await recorded(store, "order-3", subject="customer-7")
        several = (await browser.get("/events", params={"q": "customer-7"})).text
        assert "order-2" in several
        assert "order-3" in several
        assert (
            "No event has this id"
            in (await browser.get("/events", params={"q": "nothing"})).text
        )

        story = (await browser.get(f"/events/{shipped.uid}")).text
        for text in (
            "events.shop.ordered",
            "start ship/order-1",
            "mail",
            "no worker",
            "caused by",
            "&#34;by&#34;: &#34;post&#34;",
        ):
            assert text in story
        assert f"/events/{order.uid}" in story
        assert "http://temporal.example.com/namespaces/default/workflows/" not in story
        assert (
            "http://temporal.example.com/namespaces/default/workflows/ship%2Forder-1"
            in (await browser.get(f"/events/{order.uid}")).text
        )
        missing = await browser.get("/events/00000000-0000-0000-0000-000000000000")
        assert missing.status_code == 404
        assert "</html>" in missing.text


async def test_older_events_are_a_click_away(console: Console, store: EventStore) -> None:
    for number in range(55):
        await recorded(store, f"order-{number}")
    async with console.browser() as browser:
        first = (await browser.get("/events")).text
        assert "order-54<" in first
        assert "order-4<" not in first
        _, _, rest = first.partition('hx-get="')
        link = rest.partition('"')[0].replace("&amp;", "&")
        more = (await browser.get(link, headers={"HX-Request": "true"})).text
        assert "<html" not in more
        assert "order-4<" in more
        assert "order-5<" not in more


async def test_the_overview_shows_lanes_outcomes_and_failures(
    console: Console, database: Database, store: EventStore
) -> None:
    _, shipped = await chain(database, store)
    await dispatched(database, shipped, "stock", state="dead", ago=timedelta(minutes=10))
    await died(database, "no id")
    async with console.browser() as browser:
        text = (await browser.get("/")).text
    for shown in ("Lanes that are stuck", "no worker", "stock", "no id", "No daemon runs"):
        assert shown in text


async def test_the_live_parts_send_what_is_recorded(
    console: Console, store: EventStore
) -> None:
    parts = console.parts
    messages = events.messages(
        parts, await events.query_of(store, {"type": "io.example.*", "cel": "data.n == 2.0"})
    )
    async with asyncio.timeout(60):
        assert "watching" in await anext(messages)
        await recorded(store, "first", {"n": 1})
        await recorded(store, "second", {"n": 2})
        message = await anext(messages)
        assert message.startswith("event: event\n")
        assert "second" in message
        await messages.aclose()
        live = overview.messages(parts)
        assert "event: overview" in await anext(live)
        await live.aclose()


async def test_routes_are_drawn_and_an_event_is_tested(console: Console) -> None:
    async with console.browser() as browser:
        text = (await browser.get("/routes")).text
        assert "2 at a time for each <code>event.id</code>, when full: replace queued" in text
        assert "data.total &gt; 10.0" in text
        assert "<svg" in text
        token = await csrf(browser, "/routes")

        async def tried(event: str, topic: str = "events.shop.ordered") -> str:
            sent = {"event": event, "topic": topic, "csrf": token}
            return (
                await browser.post("/routes/test", data=sent, headers={"HX-Request": "true"})
            ).text

        event = '{"specversion":"1.0","id":"1","source":"/s","type":"t","data":{"total":%s}}'
        assert "ship/1" in await tried(event % 11.5)
        assert "when: data.total &gt; 10.0 is false" in await tried(event % 1.5)
        assert 'role="alert"' in await tried("{")
        assert 'role="alert"' in await tried("[" * 100_000)


async def test_runs_are_filtered(
    console: Console, database: Database, store: EventStore
) -> None:
    event = await recorded(store, "order-1")
    await ran(database, event, "r1", "ship/1")
    await ran(database, event, "r2", "bill/1", "billing", open=False)
    async with console.browser() as browser:
        text = (await browser.get("/runs", params={"state": "open"})).text
        assert "ship/1" in text
        assert "bill/1" not in text
        assert "http://temporal.example.com/namespaces/default/workflows/ship%2F1/r1" in text
        assert (await browser.get("/runs", params={"before": "x"})).status_code == 400


async def test_replays_are_shown_with_rate_and_time_left(
    console: Console, database: Database
) -> None:
    await database.execute(
        "insert into replays (id, selection, target, incarnation, through, total, position, done, who,"
        ' began_at, saved_at) values (gen_random_uuid(), \'{"where":{"type":"<b>"}}\', \'{"kind":"nats"}\','
        " gen_random_uuid(), 9, 400, 1, 100, 'ada@host', now() - interval '10 s', now())"
    )
    [found] = await find_replays(database, 10)
    assert (round(found.rate), round(found.seconds_left or 0)) == (10, 30)
    async with console.browser() as browser:
        text = (await browser.get("/replays")).text
    assert "100 of 400" in text
    assert "30.0 s" in text
    assert "&lt;b&gt;" in text


async def planted(database: Database, store: EventStore, attack: str) -> list[str]:
    """Put a text into every field that it may be in; return the pages that show it."""
    short = attack[:200]
    event = await recorded(
        store, short, {short: [short]}, source="/s'onmouseover=boom(1)&lt;", type=f"t.{short}", subject=short,
        topic=f"events.{short}", stream=f"s-{short}", extensions={"ext": short},
    )  # fmt: skip
    await dispatched(
        database, event, short, state="open", target=short, attempts=2, error=attack
    )
    await ran(database, event, short, short, short)
    letter = await died(
        database, attack, code=short[:40], route=short, id=short, source=short, type=short, topic=short,
        payload=attack.encode(),
    )  # fmt: skip
    # A dispatch's letter, so that the page of the event shows it.
    await died(database, attack, stage="dispatch", route=short, uid=event.uid, id=short)
    await Pauses(database).pause("route", short, who=short, via=short, reason=attack)
    replay = await Replays(database, store).begin(
        Selection(where=Filter(type=short, subject=short)), ToNats(subject=short), through=1, total=1,
        sequence=None, who=short, launch=Launch(via=short, reason=attack),
    )  # fmt: skip
    await Replays(database, store).fail(replay.id, attack)
    return [f"/events/{event.uid}", f"/dead-letters/{letter}", f"/replays/{replay.id}"]


async def test_no_text_of_an_event_acts(
    console: Console, database: Database, store: EventStore
) -> None:
    paths = ["/", "/events", "/dead-letters", "/runs", "/dead-letters/of?state=open"]
    paths += ["/routes", "/replays", "/audit"]
    for attack in ATTACKS.values():
        paths += await planted(database, store, attack)
    async with console.browser() as browser:
        for path in paths:
            answer = await browser.get(path)
            assert answer.status_code == 200, path
            assert Parsed(answer.text).faults == [], path
            assert not (ACTED_UPON - {"\n"}) & set(answer.text), path
        for attack in ATTACKS.values():
            for name in ("q", "cel", "type", "since"):
                answer = await browser.get("/events", params={name: attack[:500]})
                assert answer.status_code in (200, 303)
                assert Parsed(answer.text).faults == []
