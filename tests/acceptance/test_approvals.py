"""From an event on NATS to an environment, with people asked: one system, every way through it."""

import asyncio
import json
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import pytest
from nats.aio.client import Client

from bridge import samples
from eventstore.events import uid
from tests.support import publishing
from tests.support.cli import Done, ntbridge
from tests.support.daemon import Bridge, running
from tests.support.pipelines import Told
from tests.support.pipelines_bridge import PipelinesBridge
from tests.support.waiting import eventually
from tests.support.webhook_receiver import SECRET, Receiver, receiving

pytestmark = pytest.mark.slow

SAMPLE = json.loads(samples.event("infra-provision"))["data"]
TYPE = "io.quantum-suite.infra."


class System:
    """A running bridge, and who listens to its results."""

    def __init__(self, bridge: PipelinesBridge, client: Client, people: Receiver) -> None:
        self.bridge = bridge
        self.people = people
        self._client = client
        self._told: dict[str, list[Told]] = defaultdict(list)

    async def listen(self) -> None:
        results = await self._client.jetstream().subscribe(
            f"{self.bridge.prefix}.results.infra.>", ordered_consumer=True
        )
        async for message in results.messages:
            event = json.loads(message.data)
            told = Told(message.subject.rpartition(".")[2], event.get("data"))
            self._told[event["subject"]].append(told)

    async def request(self, **data: Any) -> str:
        """Ask for an environment of its own; return the workflow's id."""
        environment = f"production-{uuid.uuid4().hex[:8]}"
        event = publishing.event(
            f"{TYPE}provision-requested.v1", {**SAMPLE, "environment": environment, **data}
        )
        await publishing.structured(self._client, self.bridge, event)
        return f"infra-provision/{uid(event['source'], event['id'])}"

    async def say(self, name: str, workflow_id: str, **data: Any) -> None:
        event = publishing.event(f"{TYPE}{name}.v1", {"workflow_id": workflow_id, **data})
        await publishing.structured(self._client, self.bridge, event)

    async def told(self, workflow_id: str, name: str) -> Any:
        """Wait for a result event of this name, and return its data."""

        def found() -> Told | None:
            return next((each for each in self._told[workflow_id] if each.name == name), None)

        try:
            return (await eventually(found, within=60, what=f"{name} of {workflow_id}")).data
        except AssertionError as error:
            error.add_note(f"told so far: {self._told[workflow_id]}")
            raise

    def all_told(self, workflow_id: str) -> Sequence[str]:
        return [each.name for each in self._told[workflow_id]]

    async def approvals(self, *arguments: str) -> Done:
        return await ntbridge(
            "approvals", *arguments, cwd=self.bridge.folder, env=self.bridge.environment
        )

    async def resources(self, environment: str) -> list[str]:
        """What there is, looked at from outside."""
        return (await self.bridge.seen(environment)).names


@pytest.fixture
async def system(bridge: Bridge, client: Client) -> AsyncIterator[System]:
    pipelines = PipelinesBridge(**vars(bridge))
    await pipelines.set_up()
    async with receiving() as people:
        worker = pipelines.worker(
            NTBRIDGE_WORKER_MODULES="qinfra",
            NTBRIDGE_WORKER_STATE=str(pipelines.state),
            NTBRIDGE_WORKER_ARTEFACTS=str(pipelines.objects),
            # Everything that changes these environments is HIGH, whatever is done to them.
            NTBRIDGE_WORKER_QINFRA__RULES='{"high_environments": ["production*"]}',
            NTBRIDGE_WORKER_NOTIFIER__WEBHOOK=people.url,
            NTBRIDGE_WORKER_NOTIFIER__SECRET=SECRET,
        )
        made = System(pipelines, client, people)
        listening = asyncio.create_task(made.listen())
        try:
            async with running(pipelines.daemon(), worker):
                yield made
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


async def approved_by_command(system: System) -> None:
    workflow_id = await system.request()
    await system.told(workflow_id, "approval-requested")

    (row,) = [
        each
        for each in (await system.approvals("ls")).rows
        if each["workflow_id"] == workflow_id
    ]
    number = str(row["number"])
    assert (row["state"], row["may_answer"]) == ("open", "ann, bob")
    shown = (await system.approvals("show", number, "-o", "table")).out
    assert "create bucket uploads" in shown
    assert f"ntbridge approvals grant {number}" in shown

    refused = await system.approvals("grant", number, "--who", "mallory", "--why", "please")
    assert refused.code == 1
    assert "mallory may not answer, only ann, bob" in refused.err
    too_early = await system.approvals("confirm", number, "--who", "bob")
    assert (too_early.code, "ntbridge approvals grant" in too_early.err) == (2, True)
    granted = await system.approvals("grant", number, "--who", "ann", "--why", "it is time")
    assert granted.code == 0, granted.err
    again = await system.approvals("deny", number, "--who", "bob", "--why", "no")
    assert (again.code, "is already granted" in again.err) == (1, True)

    asked = await system.told(workflow_id, "confirmation-requested")
    await eventually(lambda: len(system.people.about(workflow_id)) == 2, what="notifications")
    assert [each["to"] for each in system.people.about(workflow_id)] == [["ann", "bob"]] * 2
    confirmed = await system.approvals("confirm", workflow_id, "--who", "bob")
    assert confirmed.code == 0, confirmed.err
    result = await system.told(workflow_id, "completed")
    assert result["status"] == "COMPLETED"
    assert result["approval"]["source"].startswith("/ntbridge/approvals/")
    assert (result["confirmation"]["who"], result["confirmation"]["request"]) == (
        "bob",
        asked["request"],
    )
    assert await system.resources(result["environment"]) == ["cache", "orders", "uploads"]
    shown = (await system.approvals("show", number, "-o", "json")).out
    (whole,) = json.loads(shown)
    assert whole["state"] == "granted"
    assert [each["who"] for each in whole["refusals"]] == ["mallory"]


async def denied(system: System) -> None:
    workflow_id = await system.request()
    asked = await system.told(workflow_id, "approval-requested")
    await system.say(
        "approval-answered", workflow_id, who="mallory", approved=True, request=asked["request"]
    )
    refused = await system.told(workflow_id, "approval-refused")
    assert (refused["who"], refused["source"]) == ("mallory", publishing.SOURCE)
    await system.say("approval-answered", workflow_id, who="bob", approved=False, reason="no")
    result = await system.told(workflow_id, "completed")
    assert (result["status"], result["reason"]) == ("REJECTED", "Human approval denied")
    assert (result["approval"]["who"], result["approval"]["why"]) == ("bob", "no")
    assert await system.resources(result["environment"]) == []


async def denied_by_command(system: System) -> None:
    workflow_id = await system.request()
    await system.told(workflow_id, "approval-requested")
    unreasoned = await system.approvals("deny", workflow_id, "--who", "ann")
    assert (unreasoned.code, "--why" in unreasoned.err) == (2, True)
    done = await system.approvals("deny", workflow_id, "--who", "ann", "--why", "too dear")
    assert done.code == 0, done.err
    assert "too dear" in done.err
    result = await system.told(workflow_id, "completed")
    assert (result["status"], result["reason"]) == ("REJECTED", "Human approval denied")
    assert (result["approval"]["who"], result["approval"]["why"]) == ("ann", "too dear")
    assert await system.resources(result["environment"]) == []


async def unanswered(system: System) -> None:
    workflow_id = await system.request(
        terms={
            "answer_within": "4s",
            "remind_every": "1s",
            "escalate_after": "2s",
            "escalate_to": ["eve"],
        }
    )
    result = await system.told(workflow_id, "completed")
    assert (result["status"], result["reason"]) == ("TIMEOUT", "Human approval timeout")
    told = system.all_told(workflow_id)
    assert told.count("approval-reminded") == 3
    assert told.count("approval-escalated") == 1


async def unconfirmed(system: System) -> None:
    workflow_id = await system.request(terms={"confirm_within": "1s"})
    await system.told(workflow_id, "approval-requested")
    await system.say("approval-answered", workflow_id, who="ann", approved=True)
    result = await system.told(workflow_id, "completed")
    assert (result["status"], result["reason"]) == ("TIMEOUT", "Approval confirmation timeout")
    assert await system.resources(result["environment"]) == []


async def rolled_back(system: System) -> None:
    broken = {"name": "broken", "kind": "endpoint", "properties": {"port": 70000}}
    environment = f"staging-{uuid.uuid4().hex[:8]}"
    resources = [*SAMPLE["resources"], broken]
    workflow_id = await system.request(environment=environment, resources=resources)
    failed = await system.told(workflow_id, "failed")
    assert failed["error"] == "ProvisionRefusedError"
    assert [each["answer"]["undone"] for each in failed["undone"]] == [True]
    assert failed["left_behind"] == []
    assert "rolled-back" in system.all_told(workflow_id)
    assert await system.resources(environment) == []
    assert (await system.bridge.seen(environment)).state.revision == 0


async def withdrawn(system: System) -> None:
    workflow_id = await system.request()
    await system.told(workflow_id, "approval-requested")
    await system.say("withdrawn", workflow_id)
    failed = await system.told(workflow_id, "failed")
    assert failed["cancelled"]
    late = await system.approvals("grant", workflow_id, "--who", "ann", "--why", "yes")
    assert (late.code, "is already ended" in late.err) == (1, True)


WAYS: Mapping[str, Any] = {
    way.__name__: way
    for way in (
        *(approved_by_command, denied_by_command, denied, unanswered),
        *(unconfirmed, rolled_back, withdrawn),
    )
}


async def test_every_way_from_the_event_to_the_closing_event(system: System) -> None:
    """All at once, in one system, as they come in life."""
    ended = await asyncio.gather(
        *(way(system) for way in WAYS.values()), return_exceptions=True
    )
    failures = []
    for name, error in zip(WAYS, ended, strict=True):
        if isinstance(error, Exception):
            error.add_note(f"way: {name}")
            failures.append(error)
    if failures:
        raise ExceptionGroup("not every way", failures)
