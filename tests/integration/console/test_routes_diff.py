"""Proposed routes, compared with those in force over the stored history, in the console."""

import re
from typing import Any

import httpx
import pytest
import yaml

from bridge.console.comparisons import MAX_COMPARISONS, Comparison, Comparisons
from bridge.history.backtest.answer import rows_of
from bridge.history.backtest.backtest import Backtest
from bridge.history.replay.selection import Selection
from bridge.routes.loading import proposed_routes
from bridge.routes.table import RouteTable
from eventstore.filters import Filter
from eventstore.store import EventStore
from tests.integration.console.conftest import ROUTES, Console, csrf
from tests.support.hostile import ACTED_UPON
from tests.support.past import recorded


def proposal(**changes: Any) -> str:
    """The routes in force, with changes of the first one."""
    return yaml.safe_dump({"routes": [{**ROUTES["routes"][0], **changes}]})


async def compare(browser: httpx.AsyncClient, text: str, **fields: str) -> httpx.Response:
    form = {"csrf": await csrf(browser, "/routes/diff"), "proposal": text, **fields}
    return await browser.post("/routes/diff", data=form)


async def orders(store: EventStore, *totals: float) -> None:
    for number, total in enumerate(totals):
        await recorded(store, f"order-{number}", {"total": total}, topic="events.shop.ordered")


async def test_the_form_has_the_routes_in_force(console: Console) -> None:
    async with console.browser() as browser:
        answer = await browser.get("/routes/diff")
    assert answer.status_code == 200
    assert "data.total &gt; 10.0" in answer.text


async def test_what_would_change_is_shown_with_the_first_events(
    console: Console, store: EventStore
) -> None:
    await orders(store, 5.0, 15.0, 25.0)
    async with console.browser() as browser:
        answer = await compare(browser, proposal(when="data.total > 20.0"))
    assert answer.status_code == 200
    assert "3 events" in answer.text
    assert "would be called no longer" in answer.text
    assert "order-1" in answer.text
    assert "order-2" not in answer.text


async def test_a_comparison_goes_on_at_the_next_request(
    console: Console, store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = Comparison.step
    monkeypatch.setattr(Comparison, "step", lambda self, store: step(self, store, 0.0))
    await orders(store, *([15.0] * 120))
    async with console.browser() as browser:
        answer = await compare(browser, proposal(when="data.total > 20.0"))
        requests = 1
        while found := re.search(r'hx-post="(/routes/diff/[^"]+)"', answer.text):
            assert "so far" in answer.text
            token = answer.text.partition('name="csrf" value="')[2].partition('"')[0]
            answer = await browser.post(found[1], data={"csrf": token})
            requests += 1
    assert requests >= 3
    assert "120 events" in answer.text


@pytest.mark.parametrize(
    ("text", "fields", "message"),
    [
        ("routes: [", {}, "proposal:1"),
        ("routes: [{name: a}]", {}, "route &#39;a&#39;"),
        (proposal(when="data.total >"), {}, "proposal:"),
        (proposal(), {}, "the routes are equal"),
        (proposal(when="true"), {"since": "soon"}, "not a point in time"),
        (
            proposal(when="true"),
            {"routes": "orders, nowhere"},
            "neither file has a route nowhere",
        ),
    ],
)
async def test_what_cannot_be_compared_is_said(
    console: Console, text: str, fields: dict[str, str], message: str
) -> None:
    async with console.browser() as browser:
        answer = await compare(browser, text, **fields)
    assert answer.status_code == 200
    assert 'role="alert"' in answer.text
    assert message in answer.text


async def test_a_proposal_reads_no_file_of_the_server(console: Console) -> None:
    force = await console.parts.routes.table_or_reason()
    assert isinstance(force, RouteTable)
    sources = [{"name": "x", "stream": "X", "decode": {"protobuf": {"file": "/etc/passwd"}}}]
    text = yaml.safe_dump({"routes": [{**ROUTES["routes"][0], "when": "true"}]})
    table = proposed_routes(text, force)
    assert table.sources is force.sources
    async with console.browser() as browser:
        answer = await compare(browser, yaml.safe_dump({"sources": sources, **ROUTES}))
    assert "root:" not in answer.text


async def test_a_form_of_another_site_and_a_comparison_that_is_gone_are_refused(
    console: Console,
) -> None:
    async with console.browser() as browser:
        assert (await browser.post("/routes/diff", data={"proposal": ""})).status_code == 403
        token = await csrf(browser, "/routes/diff")
        gone = await browser.post("/routes/diff/none", data={"csrf": token})
    assert gone.status_code == 404
    assert "begin it again" in gone.text


async def test_what_events_and_proposals_say_is_escaped(
    console: Console, store: EventStore
) -> None:
    attack = "<script>boom()</script>"
    await recorded(store, attack, {"total": 15.0}, topic="events.shop.ordered")
    async with console.browser() as browser:
        start = {"workflow": "Ship", "task_queue": "shipping"}
        named = proposal(start={**start, "id": f'"{attack}" + event.id'})
        answer = await compare(browser, named)
        assert "another workflow id" in answer.text
        assert attack not in answer.text
        wrong = await compare(browser, f"routes: [{{name: '{attack}'}}]")
        assert attack not in wrong.text
        assert not any(each in wrong.text for each in ACTED_UPON)


async def test_the_answer_is_that_of_the_command(console: Console, store: EventStore) -> None:
    await orders(store, 5.0, 15.0, 25.0)
    force = await console.parts.routes.table_or_reason()
    assert isinstance(force, RouteTable)
    proposed = proposed_routes(proposal(key='"all"'), force)
    selection = Selection(where=Filter())

    def backtest() -> Backtest:
        return Backtest(force, proposed, console.parts.evaluator, max_hops=16, samples=3)

    through = await selection.end(store)
    at_once, in_steps = backtest(), Comparison(backtest(), selection, through)
    await at_once.run(store, selection, through)
    while not in_steps.is_whole:
        await in_steps.step(store, 0.0)
    assert in_steps.rows == await rows_of(at_once, store)
    assert [row["change"] for row in in_steps.rows] == ["key"]


async def test_the_oldest_comparison_is_dropped(console: Console) -> None:
    force = await console.parts.routes.table_or_reason()
    assert isinstance(force, RouteTable)
    kept = Comparisons()
    made = [
        Comparison(
            Backtest(force, force, console.parts.evaluator, max_hops=1),
            Selection(where=Filter()),
            0,
        )
        for _ in range(MAX_COMPARISONS + 1)
    ]
    for each in made:
        kept.add(each)
    assert kept.find(made[0].number) is None
    assert kept.find(made[-1].number) is made[-1]
