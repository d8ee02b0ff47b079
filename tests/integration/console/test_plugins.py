"""Pages that other packages add: the questions of runs, answered in the console."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.console.page_plugins import found_plugins
from bridge.console.pages import plugin
from bridge.inspect.audit import Audit
from eventstore.database import Database
from eventstore.events import Origin
from eventstore.store import EventStore
from tests.integration.console.conftest import Console, csrf
from tests.support.past import recorded
from workflows.commands.approvals_page import PAGE
from workflows.messages.approvals import ApprovalVerdict, Asked, Decision
from workflows.messages.message import Message

ABOUT = "io.quantum-suite.infra.approval"


async def emitted(store: EventStore, id: str, word: str, data: Message) -> None:  # noqa: A002
    """Record an event of the run that asks."""
    await recorded(
        store,
        id,
        data.model_dump(mode="json"),
        type=f"{ABOUT}-{word}.v1",
        stream="run-infra/1",
        origin=Origin.EMITTED,
        source="/temporal/default/Infra",
    )


async def asked(store: EventStore) -> None:
    question = Asked(
        request="r-1",
        workflow_id="infra/1",
        question="Change <production>?",
        may_answer=("ada",),
        until=datetime.now(UTC) + timedelta(days=1),
        answer_with="io.quantum-suite.infra.approval-answered.v1",
    )
    await emitted(store, "q-1", "requested", question)


@pytest.fixture
def published(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> list[Mapping[str, Any]]:
    """What is published; a run accepts the answer at once."""
    sent: list[Mapping[str, Any]] = []

    async def publish(_: object, members: Mapping[str, Any]) -> str:
        sent.append(members)
        data = members["data"]
        decision = Decision(
            request=data["request"],
            verdict=ApprovalVerdict.GRANTED if data["approved"] else ApprovalVerdict.DENIED,
            who=data["who"],
            why=data["why"],
            at=datetime.now(UTC),
            event="answer-1",
        )
        await emitted(store, "d-1", decision.verdict.value, decision)
        return "answer-1"

    monkeypatch.setattr(plugin._Host, "publish", publish)  # noqa: SLF001 - NATS and a run in its place
    return sent


async def test_a_question_is_answered_by_an_operator_with_a_reason(
    console: Console, store: EventStore, database: Database, published: list[Mapping[str, Any]]
) -> None:
    console = replace(console, parts=replace(console.parts, plugins=(PAGE,)))
    async with console.browser() as reader:
        assert "No run has asked" in (await reader.get("/pages/approvals")).text
        await asked(store)
        text = (await reader.get("/pages/approvals")).text
        assert "Change &lt;production&gt;?" in text
        assert "Grant" not in text
        form = {"csrf": await csrf(reader, "/routes"), "key": "1", "reason": "r"}
        assert (await reader.post("/pages/approvals/grant", data=form)).status_code == 403
        assert (await reader.get("/pages/nothing")).status_code == 404
    async with console.logged_in(console.operator) as browser:
        form = {
            "csrf": await csrf(browser, "/pages/approvals"),
            "key": "1",
            "reason": "looks right",
        }
        for wrong in ({"key": "2"}, {"reason": ""}):
            answer = await browser.post("/pages/approvals/grant", data={**form, **wrong})
            assert answer.status_code in (400, 409)
        assert (await browser.post("/pages/approvals/confirm", data=form)).status_code == 409
        assert published == []
        answer = await browser.post("/pages/approvals/grant", data=form)
        assert answer.status_code == 200
        assert "granted by ada" in answer.text
        assert (await browser.post("/pages/approvals/grant", data=form)).status_code == 409
    [sent] = published
    assert sent["source"] == "/ntbridge/console/ada"
    assert (sent["data"]["who"], sent["data"]["approved"]) == ("ada", True)
    [action] = await Audit(database).latest(9)
    assert (action.action, action.object, action.who) == ("grant", "approvals 1", "ada")


def test_the_pipelines_add_their_page() -> None:
    assert [each.name for each in found_plugins()] == ["approvals"]
