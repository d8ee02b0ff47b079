"""Replays that people compose, begin, stop and continue in the console."""

import html
import re

import httpx

from bridge.history.replay.selection import Selection
from bridge.history.replay.store import Launch, Replays, ToRoutes
from bridge.inspect.audit import Audit
from bridge.inspect.replays import ReplayRow, find_replays
from eventstore.database import Database
from eventstore.filters import Filter
from eventstore.store import EventStore
from tests.integration.console.conftest import Console, csrf
from tests.support.past import recorded
from tests.support.waiting import eventually

FORM = {"to": "routes", "forgotten": "yes", "reason": "a new route"}


async def posted(browser: httpx.AsyncClient, path: str, **fields: str) -> httpx.Response:
    """Send a form as htmx does."""
    form = {"csrf": await csrf(browser, "/routes"), **fields}
    return await browser.post(path, data=form, headers={"HX-Request": "true"})


def hidden(text: str) -> dict[str, str]:
    """The fields of the form of a preview."""
    found = re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', text)
    return {name: html.unescape(value) for name, value in found if name != "csrf"}


async def begun(browser: httpx.AsyncClient, **fields: str) -> str:
    """Preview and begin a replay; return its page."""
    seen = await posted(browser, "/replays/preview", **FORM, **fields)
    assert "Begin the replay" in seen.text, seen.text
    answer = await posted(browser, "/replays/start", reason="a new route", **hidden(seen.text))
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


async def in_phase(database: Database, phase: str) -> ReplayRow:
    async def reached() -> ReplayRow | None:
        [replay] = await find_replays(database, 1)
        return replay if replay.phase == phase else None

    return await eventually(reached, within=60, what=phase)


async def test_what_was_counted_is_replayed(
    console: Console, database: Database, store: EventStore
) -> None:
    for number in range(3):
        await recorded(store, f"order-{number}", {"total": 9.5 + number})
    async with console.logged_in(console.operator) as browser:
        seen = await posted(browser, "/replays/preview", **FORM, cel="data.total > 10.0")
        for text in ("2 events. Nothing was sent", "2 to be planned by route orders"):
            assert text in seen.text, seen.text
        assert await database.fetchval("select count(*) from replays") == 0
        # What comes after the preview does not belong to it.
        await recorded(store, "order-later", {"total": 99.5})
        place = await begun(browser, cel="data.total > 10.0", until="2090-01-01T00:00:00Z")
        replay = await in_phase(database, "finished")
        assert (replay.done, replay.total, replay.runner, replay.who) == (
            3,
            3,
            "console",
            "ada",
        )
        text = (await browser.get(place)).text
        for shown in ("finished", "3 planned by route orders", "a new route", "all routes"):
            assert shown in text, shown
        assert "3 of 3" in (await browser.get("/replays")).text
        progress = (await browser.get(place, headers={"HX-Request": "true"})).text
        assert "<html" not in progress
        idle = await posted(browser, "/replays/preview", **FORM)
        assert "would dispatch nothing" in idle.text
        assert "Begin the replay" not in idle.text
    planned = await database.fetch("select distinct replay from dispatches")
    assert [row["replay"].hex for row in planned] == [replay.id.hex]
    [action] = await Audit(database).latest(9)
    assert (action.who, action.action, action.object, action.reason) == (
        "ada",
        "replay",
        f"replay {replay.id}",
        "a new route",
    )


async def test_a_replay_is_stopped_and_continued(
    console: Console, database: Database, store: EventStore
) -> None:
    for number in range(4):
        await recorded(store, f"order-{number}", {"total": 12.5})
    async with console.logged_in(console.operator) as browser:
        place = await begun(browser, rate="0.01")
        await in_phase(database, "running")
        assert "Stop</button>" in (await browser.get(place)).text
        answer = await posted(browser, f"{place}/stop", reason="the wrong events")
        assert (answer.status_code, answer.headers["Location"]) == (303, place)
        stopped = await in_phase(database, "stopped")
        assert stopped.done < stopped.total
        again = await posted(browser, f"{place}/stop", reason="the wrong events")
        assert again.status_code == 409
        # The run has ended: nothing holds its lease.
        run = console.parts.host
        assert run is not None
        await eventually(lambda: run.run_of(stopped.id) is None, within=60)

        await database.execute("update replays set rate = null")
        answer = await posted(browser, f"{place}/continue", reason="the right ones")
        assert answer.status_code == 303
        assert (await in_phase(database, "finished")).done == 4
        text = (await browser.get(place)).text
        for reason in ("a new route", "the wrong events", "the right ones"):
            assert reason in text
        refused = await posted(browser, f"{place}/continue", reason="once more")
        assert refused.status_code == 409
    assert await database.fetchval("select count(*) from dispatches") == 4
    actions = [each.action for each in await Audit(database).latest(9)]
    assert actions == ["continue replay", "stop replay", "replay"]


async def test_a_replay_that_cannot_go_on_says_why(
    console: Console, database: Database, store: EventStore
) -> None:
    await recorded(store, "order-1", {"total": 12.5})
    async with console.logged_in(console.operator) as browser:
        seen = await posted(browser, "/replays/preview", **FORM)
        routes = console.parts.settings.routes
        routes.write_text("routes: [wrong]")
        refused = await posted(browser, "/replays/start", reason="r", **hidden(seen.text))
        assert refused.status_code == 409
        assert "was not begun" in refused.text
        waiting = await _waiting(database, store)
        stopped = await in_phase(database, "stopped")
        assert stopped.id == waiting
        assert "routes.yaml" in (stopped.problem or "")
        assert "routes.yaml" in (await browser.get("/replays")).text


async def _waiting(database: Database, store: EventStore) -> object:
    """A replay that another console has begun while the routes were right."""
    replay = await Replays(database, store).begin(
        Selection(where=Filter()),
        ToRoutes(),
        through=1,
        total=1,
        sequence=None,
        who="eve",
        launch=Launch(runner="console"),
    )
    return replay.id


async def test_wrong_orders_and_strangers_are_refused(
    console: Console, database: Database, store: EventStore
) -> None:
    await recorded(store, "order-1", {"total": 12.5})
    async with console.logged_in(console.viewer) as viewer:
        assert "Compose a replay" in (await viewer.get("/replays")).text
        for path in ("preview", "start"):
            assert (await posted(viewer, f"/replays/{path}", **FORM)).status_code == 403
    async with console.logged_in(console.operator) as browser:
        for wrong in (
            {"cel": "data.total >"},
            {"since": "soon"},
            {"from_position": "x"},
            {"rate": "fast"},
            {"rate": "-1"},
            {"to": "moon"},
            {"routes": "unknown"},
            {"to": "nats", "nats_subject": "nobody.has.this"},
            {"through": "1", "reached": "1", "total": "1", "tally": "{"},
        ):
            seen = await posted(browser, "/replays/preview", **{**FORM, **wrong})
            assert 'role="alert"' in seen.text, wrong
            started = await posted(browser, "/replays/start", **{**FORM, **wrong})
            assert started.status_code == 409, wrong
        assert (
            await browser.get("/replays/00000000-0000-0000-0000-000000000000")
        ).status_code == 404
    assert await database.fetchval("select count(*) from replays") == 0


async def test_a_long_count_goes_on_where_it_ended(console: Console, store: EventStore) -> None:
    for number in range(3):
        await recorded(store, f"order-{number}", {"total": 12.5})
    async with console.logged_in(console.operator) as browser:
        tally = '{"events":1,"planned orders":1}'
        seen = await posted(
            browser,
            "/replays/preview",
            **FORM,
            through="3",
            reached="1",
            total="1",
            tally=tally,
        )
        assert "3 events. Nothing was sent" in seen.text
        assert "3 to be planned by route orders" in seen.text
