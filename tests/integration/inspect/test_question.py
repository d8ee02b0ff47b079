"""The events that people mean by an id, an order number or a condition, and what is said of them."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from bridge.cli.main import _run
from bridge.evaluation import Evaluator
from bridge.inspect.dispatches import find_dispatch, find_dispatches
from bridge.inspect.explain import Explainer
from bridge.inspect.explanation import Explanation, Trace
from bridge.inspect.question import Found, Questions
from bridge.inspect.search import EventQuery, Search
from bridge.pauses import Pauses
from eventstore.database import Database
from eventstore.events import Origin, StoredEvent
from eventstore.store import EventStore
from tests.support.cli import Done
from tests.support.past import died, dispatched, recorded

WHO = {"who": "ada@host", "via": "command line", "reason": "billing is down"}


@pytest.fixture
def questions(database: Database, store: EventStore, evaluator: Evaluator) -> Questions:
    return Questions(database, store, Search(database, store, evaluator))


@pytest.fixture
async def order(database: Database, store: EventStore) -> StoredEvent:
    """An order that one route has shipped; another waits, and a third comes after it in its lane."""
    order = await recorded(store, "e-1", {"total": 7}, subject="order-4711")
    await dispatched(database, order, target="ship/1", run_id="r1")
    shipped = await recorded(
        store, "s-1", stream="run-ship/1", topic="results.shop.shipped",
        origin=Origin.EMITTED, cause=order,
    )  # fmt: skip
    await dispatched(
        database,
        shipped,
        "notify",
        state="open",
        target="mail/1",
        attempts=2,
        error="UNAVAILABLE",
    )
    await dispatched(database, shipped, "bill", state="open", target="bill/1", key="mail/1")
    await died(database, "no such customer", uid=order.uid, stage="dispatch", route="score")
    return order


def ids(found: Found) -> list[str]:
    return [each.event.id for each in found.events]


async def test_any_id_leads_to_the_event_that_caused_the_rest(
    questions: Questions, order: StoredEvent
) -> None:
    for wanted, kind in (
        ("e-1", "event"),
        (str(order.uid), "event"),
        (str(order.uid)[:8], "event"),
        (order.uid.hex[:11], "event"),
        ("ship/1", "workflow"),
        ("order-4711", "subject"),
    ):
        found = await questions.find(wanted)
        assert (ids(found), found.kind) == (["e-1"], kind), wanted
    assert ids(await questions.find("mail/1")) == ["s-1"]
    nothing = await questions.find("nobody")
    assert (nothing.kind, nothing.events, nothing.is_whole) == (None, [], True)
    assert ids(await questions.find("e-1", "/elsewhere")) == []


@pytest.mark.usefixtures("order")
async def test_several_events_are_all_found(questions: Questions, store: EventStore) -> None:
    await recorded(store, "e-2", {"total": 9}, subject="order-4711")
    assert ids(await questions.find("order-4711")) == ["e-2", "e-1"]
    rich = await questions.matching(EventQuery(condition="data.total > 8.0"))
    assert (ids(rich), rich.kind, rich.reached) == (["e-2"], "condition", 1)


@pytest.mark.usefixtures("order")
async def test_what_holds_dispatches_up_includes_pauses_and_the_lane(
    database: Database,
) -> None:
    await Pauses(database).pause("route", "bill", **WHO)
    notify, bill = await find_dispatches(database, ["open"], 10)
    assert notify.holds == ["due now (attempt 3)"]
    paused, blocked = bill.holds
    assert paused.startswith("route bill is paused since 20")
    assert paused.endswith("by ada@host: billing is down")
    assert blocked == (
        "blocked by start mail/1 by route notify (event s-1), ahead of it in lane mail/1"
    )
    assert (await find_dispatch(database, bill.id)) == bill
    assert await find_dispatch(database, 10_000) is None


AWAY = {"TEMPORAL_ADDRESS": "127.0.0.1:1", "NATS_URL": "nats://127.0.0.1:1"}


async def test_query_layer_command_and_json_give_the_same_answer(
    database: Database,
    store: EventStore,
    order: StoredEvent,
    migrated_database_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One question, asked of the query layer and of both commands, as a tree, JSON and YAML."""
    await Pauses(database).pause("route", "bill", **WHO)
    explainer = Explainer(database, store, "no routes here", {}, {})
    explanation, traced = await explainer.explain(order), await explainer.trace(order)
    monkeypatch.chdir(tmp_path)
    for name, value in {**AWAY, "DATABASE_URL": migrated_database_url}.items():
        monkeypatch.setenv(name, value)

    async def asked(*words: str, code: int = 0) -> Done:
        ended = await asyncio.to_thread(_run, words)
        out, err = capsys.readouterr()
        assert ended == code, err
        return Done(ended, out, err)

    by_json = json.loads((await asked("explain", "order-4711", "-o", "json")).out)
    assert _same(by_json) == _same(_plain(explanation))
    by_yaml = yaml.safe_load((await asked("trace", "mail/1", "-o", "yaml")).out)
    asked_for = {**_plain(traced), "asked": by_yaml["asked"]}
    assert _same(by_yaml) == _same(asked_for)
    assert by_yaml["asked"] != str(order.uid)

    tree = (await asked("explain", str(order.uid)[:8])).out
    bill = explanation.event.dispatches[0].events[0].dispatches[1]
    for words in (*bill.holds, "results.shop.shipped", "dead letter 1", "no such customer"):
        assert words in tree
    assert "← asked for" in (await asked("trace", "mail/1")).out

    listed = json.loads((await asked("dispatches", "ls", "-o", "json")).out)
    shown = json.loads((await asked("dispatches", "show", str(bill.id), "-o", "json")).out)
    assert [each["holds"] for each in listed if each["id"] == bill.id] == [shown["holds"]]
    assert shown["holds"] == bill.holds

    await recorded(store, "e-2", subject="order-4711")
    several = await asked("explain", "order-4711", "-o", "table")
    assert [line.split()[-2] for line in several.out.splitlines()[1:]] == ["e-2", "e-1"]
    assert "events with this subject: 2" in several.err
    assert "choose one: ntbridge explain " in several.err
    each = json.loads((await asked("explain", "order-4711", "-o", "json")).out)
    assert [story["event"]["id"] for story in each] == ["e-1", "e-2"]
    assert _same(each[0]) == _same(_plain(explanation))


def _plain(answer: Explanation | Trace) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(msgspec.json.encode(answer))
    return plain


def _same(answer: Mapping[str, Any]) -> Any:
    """Return an answer without what depends on the moment, Temporal and the routes file."""
    return {
        name: _without_runs(value)
        for name, value in answer.items()
        if name not in ("at", "remarks", "routes")
    }


def _without_runs(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_runs(each) for name, each in value.items() if name != "run"}
    return [_without_runs(each) for each in value] if isinstance(value, list) else value
