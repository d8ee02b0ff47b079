"""The whole system from event to result for the pipelines, and scenarios that go through it.

The daemon with the sample routes, and the real worker with all modules, whose activities follow
the scenario's script where it has one (`tests.support.scripted_worker`).
"""

import asyncio
import json
import uuid
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import nats
from nats.aio.client import Client as NatsClient
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter

from bridge import samples
from bridge.devstack.child import Child
from eventstore.events import uid
from tests.support import checker, publishing
from tests.support.daemon import running
from tests.support.pipelines_bridge import PipelinesBridge
from tests.support.scripted_worker import Act
from tests.support.time_skipping import start_skipping
from tests.support.waiting import eventually
from workflows.pipelines.catalogue import pipeline

SOURCE = "/tests/pipelines"
CLOSING = frozenset({"completed", "failed"})


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One way through a pipeline, and how it must end.

    Attributes:
        pipeline: Its name, which is its sample's and its route's.
        data: Goes over the sample's data.
        acts: What activities do, by name.
        answers: The data of the security review's answers, but for the workflow id.
        withdraw_at: The run is withdrawn when this activity stands still.
        withdraw_when: The run is withdrawn when this result event has come.
        emits: The names of its result events, in order.
        error: Of the closing event.
    """

    name: str
    pipeline: str
    data: Mapping[str, Any] = field(default_factory=dict)
    acts: Mapping[str, Act] = field(default_factory=dict)
    answers: Sequence[Mapping[str, Any]] = ()
    withdraw_at: str | None = None
    withdraw_when: str | None = None
    emits: Sequence[str] = ()
    error: str | None = None
    status: WorkflowExecutionStatus = WorkflowExecutionStatus.COMPLETED


@dataclass(frozen=True)
class Effects:
    """What is there of a service and its environment, seen from outside."""

    resources: tuple[str, ...] = ()
    """Folders of resources."""
    in_force: int = 0
    """Releases that are current."""
    releases: int = 0
    """Releases that were made, whatever became of them."""
    rules: int = 0
    patterns: int = 0
    """Learned by this run and not forgotten."""
    revisions: int = 0
    """Changes of the environment, undoing included."""


@dataclass(frozen=True)
class Told:
    """A result event: the last part of its topic, and its data."""

    name: str
    data: Any


@dataclass(frozen=True)
class Outcome:
    """What became of a scenario's run."""

    scenario: Scenario
    handle: WorkflowHandle[Any, Any]
    status: WorkflowExecutionStatus
    told: Sequence[Told]
    effects: Effects

    @property
    def closing(self) -> Any:
        """The data of the closing event."""
        return self.told[-1].data

    def data(self, name: str) -> Any:
        """The data of the first result event of this name."""
        return next(each.data for each in self.told if each.name == name)


class System:
    """A running bridge, and who listens to its results."""

    def __init__(self, bridge: PipelinesBridge, temporal: Client, client: NatsClient) -> None:
        self.bridge = bridge
        self.temporal = temporal
        self._client = client
        self._told: dict[str, list[Told]] = defaultdict(list)

    async def listen(self) -> None:
        """Note result events for ever, by correlation."""
        results = await self._client.jetstream().subscribe(
            f"{self.bridge.prefix}.results.>", ordered_consumer=True
        )
        async for message in results.messages:
            *_, domain, name = message.subject.split(".")
            if domain == "provenance":
                continue  # the seal comes behind the closing event, and says nothing of the run
            event = json.loads(message.data)
            self._told[event["correlationid"]].append(Told(name, event.get("data")))

    async def run(self, scenario: Scenario) -> Outcome:
        """Publish the scenario's event, do what it says, and wait for its closing event."""
        started = await self.publish(scenario)
        await self._go_on(started)
        return await self.outcome(started)

    async def _go_on(self, started: "Started") -> None:
        """Do what the scenario says people do."""
        scenario = started.scenario
        if scenario.withdraw_at is not None:
            await self.reached(started, scenario.withdraw_at)
        if scenario.withdraw_when is not None:
            await self.told(started, scenario.withdraw_when)
        if scenario.withdraw_at or scenario.withdraw_when:
            await self._send(scenario, "withdrawn", {"workflow_id": started.workflow_id})
        for answer in scenario.answers:
            await self.told(started, "security-review-requested")
            data = {"workflow_id": started.workflow_id, **answer}
            await self._send(scenario, "security-review-complete", data)

    async def publish(self, scenario: Scenario) -> "Started":
        """Publish the scenario's event, its script in place."""
        sample = json.loads(samples.event(scenario.pipeline))
        identity = str(uuid.uuid4())
        event_uid = str(uid(SOURCE, identity))
        self.bridge.scripts.write(event_uid, scenario.acts)
        data = request_of(scenario)
        event = {**sample, "id": identity, "source": SOURCE, "data": data}
        await publishing.structured(self._client, self.bridge, event)
        return Started(scenario, identity, event_uid)

    async def start_skipping(self, scenario: Scenario) -> "Started":
        """Start the scenario's run without an event, so that it can skip time."""
        identity = f"{scenario.pipeline}/{uuid.uuid4()}"
        found = pipeline(scenario.pipeline)
        assert found is not None
        self.bridge.scripts.write(identity.rpartition("/")[2], scenario.acts)
        await start_skipping(
            self.temporal,
            found.workflow,
            request_of(scenario),
            id=identity,
            task_queue=self.bridge.task_queue,
        )
        return Started(scenario, identity, identity.rpartition("/")[2])

    async def reached(self, started: "Started", activity: str) -> None:
        """Wait until an activity stands still."""
        path = self.bridge.scripts.reached(started.uid, activity)
        await eventually(path.exists, within=300, what=f"{activity} of {started.scenario.name}")

    async def told(self, started: "Started", *names: str, within: float = 300) -> None:
        """Wait for a result event with one of these names."""

        def found() -> bool:
            so_far = {each.name for each in self._told[started.correlation]}
            ended = so_far & CLOSING
            assert not ended or so_far.intersection(names), "the run has ended before"
            return bool(so_far.intersection(names))

        what = f"{' or '.join(names)} of {started.scenario.name}"
        try:
            await eventually(found, within=within, what=what, forgive=())
        except AssertionError as error:
            error.add_note(f"told so far: {self._told[started.correlation]}")
            raise

    async def outcome(self, started: "Started") -> Outcome:
        """Wait for the closing event."""
        await self.told(started, *CLOSING)
        handle = self.temporal.get_workflow_handle(started.workflow_id)

        async def closed() -> WorkflowExecutionStatus | None:
            status = (await handle.describe()).status
            return None if status is WorkflowExecutionStatus.RUNNING else status

        # A worker that is killed behind the closing event, in the seal, is missed after a heartbeat.
        status = await eventually(closed, within=300, what="the run's end")
        told = self._told[started.correlation]
        effects = await self.effects(started)
        return Outcome(started.scenario, handle, status, tuple(told), effects)

    async def kill_all(self, scenarios: Sequence[Scenario], worker: Child) -> Sequence[Outcome]:
        """Let each scenario come to where it hangs, kill the worker there, and start another."""
        started = [await self.publish(scenario) for scenario in scenarios]
        await asyncio.gather(*(self._go_on(each) for each in started))
        await self.kill_at_hangs(started, worker)
        return await asyncio.gather(*(self.outcome(each) for each in started))

    async def kill_at_hangs(self, started: Sequence["Started"], worker: Child) -> None:
        """Wait until all of them hang, kill the worker, and start another."""
        for each in started:
            for name, act in each.scenario.acts.items():
                if act.hangs is not None:
                    await self.reached(each, name)
        await worker.kill()
        await worker.start()

    async def effects(self, started: "Started") -> Effects:
        """Look at what the run has made on disk and in the database, asking no adapter."""
        data = request_of(started.scenario)
        environment, service = data.get("environment", "none"), data.get("service", "none")
        owner = data.get("service", "")
        seen = await self.bridge.seen(environment, owner)
        of = (environment, service)
        in_force = await checker.rows(
            self.bridge,
            "select count(current) from services where environment = $1 and service = $2",
            *of,
        )
        releases = await checker.rows(
            self.bridge,
            "select count(*) from releases where environment = $1 and service = $2"
            " and card::jsonb->>'sha256' <> ''",
            *of,
        )
        rules = await checker.rows(
            self.bridge,
            "select count(*) from monitoring_rules where environment = $1 and service = $2",
            *of,
        )
        learned = await checker.rows(
            self.bridge,
            "select count(*) from pattern_learners where key like $1",
            f"{started.workflow_id}/%",
        )
        return Effects(
            resources=tuple(seen.names),
            in_force=in_force[0][0],
            releases=releases[0][0],
            rules=rules[0][0],
            patterns=learned[0][0],
            revisions=len(seen.changes),
        )

    async def _send(self, scenario: Scenario, name: str, data: Mapping[str, Any]) -> None:
        event_type = f"io.quantum-suite.{scenario.pipeline}.{name}.v1"
        await publishing.structured(
            self._client, self.bridge, publishing.event(event_type, data)
        )


def request_of(scenario: Scenario) -> dict[str, Any]:
    """What the pipeline is asked: the sample's data, an environment of its own, and the rest."""
    data = json.loads(samples.event(scenario.pipeline))["data"]
    own = {"environment": scenario.name} if "environment" in data else {}
    return {**data, **own, **scenario.data}


@dataclass(frozen=True)
class Started:
    """A scenario whose event is published."""

    scenario: Scenario
    correlation: str
    uid: str

    @property
    def workflow_id(self) -> str:
        """Of the run that the route starts."""
        return f"{self.scenario.pipeline}/{self.uid}"


@asynccontextmanager
async def system(bridge: PipelinesBridge, *children: Child) -> AsyncIterator[System]:
    """Run children (daemon, worker) of a bridge that was set up, and listen to its results."""
    temporal = await Client.connect(
        bridge.addresses.temporal_address, data_converter=pydantic_data_converter
    )
    client = await nats.connect(bridge.addresses.nats_url, connect_timeout=5)
    made = System(bridge, temporal, client)
    listening = asyncio.create_task(made.listen())
    try:
        async with running(*children):
            yield made
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await client.close()
