"""The code generation workflow on a real Temporal and a real store."""

import asyncio
import json
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any as AnyValue
from uuid import UUID

import pytest
from temporalio.client import Client, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer
from typing_extensions import override

from eventstore.appending import Appended
from eventstore.database import Database
from eventstore.errors import InvalidEvent, Unavailable
from eventstore.events import NewEvent, Origin, StoredEvent, uid
from eventstore.expected import Any, ExpectedVersion
from eventstore.store import EventStore
from tests.replay.adapters import SlowGateway
from tests.replay.branches import (
    BRANCHES,
    REQUEST,
    Branch,
    run_branch,
    worker,
)
from tests.support.proxy import Proxy
from tests.support.scheduled import assert_limits
from tests.support.waiting import eventually
from workflows.adapters.recipes.gateway import RecipeGateway
from workflows.pipelines.code_generation import CodeGenerationWorkflow
from workflows.worker.sandbox import sandbox

pytestmark = pytest.mark.slow

ALL = [
    f"results.code-generation.{name}"
    for name in (
        "prompt-parsed",
        "code-generated",
        "code-validated",
        "fingerprint-recorded",
        "completed",
    )
]


async def emitted(store: EventStore, workflow_id: str) -> list[StoredEvent]:
    return [event async for event in store.read_stream(f"run-{workflow_id}")]


def topics(events: list[StoredEvent]) -> list[str | None]:
    return [stored.topic for stored in events]


def data(stored: StoredEvent) -> AnyValue:
    return json.loads(stored.event.data or b"null")


@pytest.mark.parametrize("branch", BRANCHES, ids=lambda branch: branch.name)
async def test_every_branch_ends_as_it_says(
    branch: Branch, client: Client, store: EventStore, task_queue: str
) -> None:
    handle = await run_branch(branch, client=client, task_queue=task_queue, store=store)

    assert (await handle.describe()).status == branch.status
    events = await emitted(store, handle.id)
    assert topics(events) == [
        name if name.startswith("results.") else f"results.code-generation.{name}"
        for name in branch.emits
    ]
    assert {stored.origin for stored in events} == {Origin.EMITTED}
    assert {stored.correlation_id for stored in events} == {handle.id}
    if branch.error is not None:
        closing = data(events[branch.emits.index("failed")])
        assert (closing["error"], closing["step"]) == (branch.error, branch.step)
        assert closing["reason"]

    replayer = Replayer(
        workflows=[CodeGenerationWorkflow],
        workflow_runner=sandbox(),
        data_converter=pydantic_data_converter,
    )
    await replayer.replay_workflow(await handle.fetch_history())


async def test_the_run_fails_with_what_its_closing_event_says(
    client: Client, store: EventStore, task_queue: str
) -> None:
    async with worker(client, task_queue, store, RecipeGateway()):
        handle = await client.start_workflow(
            "CodeGenerationWorkflow",
            {"prompt": "Write a distributed database"},
            id=f"run-{uuid.uuid4()}",
            task_queue=task_queue,
        )
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
    closing = data((await emitted(store, handle.id))[-1])
    cause: AnyValue = failed.value.cause
    assert cause.type == closing["error"] == "PromptNotServedError"
    assert closing["reason"] in str(cause)


async def test_a_run_that_an_event_started_carries_it_on(
    client: Client, store: EventStore, task_queue: str
) -> None:
    trigger = uid("/portal", "request-7")
    first = uid("/portal", "click-1")
    async with worker(client, task_queue, store, RecipeGateway()):
        handle = await client.start_workflow(
            "CodeGenerationWorkflow",
            REQUEST,
            id=f"code-generation/{uuid.uuid4()}",
            task_queue=task_queue,
            memo={
                "ce": {
                    "id": "request-7",
                    "source": "/portal",
                    "type": "io.quantum-suite.code-generation.requested.v1",
                    "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                },
                "bridge": {
                    "uid": str(trigger),
                    "route": "code-generation",
                    "correlation_id": "click-1",
                    "correlation_uid": str(first),
                    "hops": 1,
                },
            },
        )
        result: AnyValue = await handle.result()
    assert_limits(await handle.fetch_history(), timedelta(minutes=10), tries=3)
    events = await emitted(store, handle.id)
    assert topics(events) == ALL
    for stored in events:
        assert stored.event.source == "/temporal/default/CodeGenerationWorkflow"
        assert stored.event.subject == handle.id
        assert stored.event.extensions == {
            "correlationid": "click-1",
            "causationid": "request-7",
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "hops": 2,
        }
        assert (stored.correlation_id, stored.correlation_uid) == ("click-1", first)
        assert stored.causation_uid == trigger
    assert data(events[-1]) == result
    assert data(events[-2]) == result["fingerprint"]


async def test_a_memo_that_cannot_be_read_does_not_keep_a_run_from_ending(
    client: Client, store: EventStore, task_queue: str
) -> None:
    async with worker(client, task_queue, store, RecipeGateway()):
        handle = await client.start_workflow(
            "CodeGenerationWorkflow",
            REQUEST,
            id=f"run-{uuid.uuid4()}",
            task_queue=task_queue,
            memo={"bridge": ["nonsense"]},
        )
        await handle.result()
    assert topics(await emitted(store, handle.id)) == ALL


ANY = Any()


class ForgetfulStore(EventStore):
    """Does every append twice or more: the answer to the first is lost after the commit."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self._asked: set[UUID] = set()

    @override
    async def append(
        self, stream: str, events: Sequence[NewEvent], *, expected: ExpectedVersion = ANY
    ) -> Appended:
        appended = await super().append(stream, events, expected=expected)
        uids = {new.event.uid for new in events}
        if not uids <= self._asked:
            self._asked |= uids
            raise Unavailable("the answer was lost", ambiguous=True)
        assert appended.duplicate
        return appended


async def test_appends_whose_answers_were_lost_are_not_doubled(
    client: Client, store: EventStore, migrated_database_url: str, task_queue: str
) -> None:
    database = await Database.connect(migrated_database_url)
    async with worker(client, task_queue, ForgetfulStore(database), RecipeGateway()):
        handle = await client.start_workflow(
            "CodeGenerationWorkflow", REQUEST, id=f"run-{uuid.uuid4()}", task_queue=task_queue
        )
        await handle.result()
    await database.close()
    tries = [
        event.activity_task_started_event_attributes.attempt
        for event in (await handle.fetch_history()).events
        if event.HasField("activity_task_started_event_attributes")
    ]
    assert tries.count(2) == len(ALL)
    assert topics(await emitted(store, handle.id)) == ALL


class FastidiousStore(EventStore):
    """Never takes an event of one kind."""

    @override
    async def append(
        self, stream: str, events: Sequence[NewEvent], *, expected: ExpectedVersion = ANY
    ) -> Appended:
        if any(new.topic == "results.code-generation.completed" for new in events):
            raise InvalidEvent("too long")
        return await super().append(stream, events, expected=expected)


async def test_a_result_that_the_store_refuses_fails_the_run_and_is_told(
    client: Client, store: EventStore, migrated_database_url: str, task_queue: str
) -> None:
    database = await Database.connect(migrated_database_url)
    async with worker(client, task_queue, FastidiousStore(database), RecipeGateway()):
        handle = await client.start_workflow(
            "CodeGenerationWorkflow", REQUEST, id=f"run-{uuid.uuid4()}", task_queue=task_queue
        )
        with pytest.raises(WorkflowFailureError):
            await handle.result()
    await database.close()
    events = await emitted(store, handle.id)
    assert topics(events) == [*ALL[:-1], "results.code-generation.failed"]
    assert data(events[-1]) == {
        "reason": "too long",
        "error": "ResultRefusedError",
        "step": "events.emit",
        "phase": None,
        "cancelled": False,
    }


async def test_a_store_that_is_away_is_waited_for(
    client: Client, store: EventStore, migrated_database_url: str, task_queue: str
) -> None:
    async with Proxy.to(migrated_database_url) as proxy:
        database = await Database.connect(proxy.through(migrated_database_url))
        await proxy.refuse()
        async with worker(client, task_queue, EventStore(database), RecipeGateway()):
            handle = await client.start_workflow(
                "CodeGenerationWorkflow",
                REQUEST,
                id=f"run-{uuid.uuid4()}",
                task_queue=task_queue,
            )

            async def tried_twice() -> bool:
                pending = (await handle.describe()).raw_description.pending_activities
                return any(activity.attempt >= 2 for activity in pending)

            await eventually(tried_twice, what="a second try to emit")
            await proxy.accept()
            await handle.result()
        await database.close()
    assert topics(await emitted(store, handle.id)) == ALL


async def test_a_run_cancelled_during_an_emit_stores_that_event_and_then_the_closing_one(
    client: Client, store: EventStore, migrated_database_url: str, task_queue: str
) -> None:
    async with Proxy.to(migrated_database_url) as proxy:
        database = await Database.connect(proxy.through(migrated_database_url))
        await proxy.refuse()
        gateway = SlowGateway()
        async with worker(client, task_queue, EventStore(database), gateway):
            handle = await client.start_workflow(
                "CodeGenerationWorkflow",
                REQUEST,
                id=f"run-{uuid.uuid4()}",
                task_queue=task_queue,
            )

            async def emitting() -> bool:
                pending = (await handle.describe()).raw_description.pending_activities
                return any(activity.activity_type.name == "events.emit" for activity in pending)

            await eventually(emitting, what="an emit under way")
            await handle.cancel()
            await proxy.accept()
            with pytest.raises(WorkflowFailureError):
                await handle.result()
        await database.close()
    assert (await handle.describe()).status == WorkflowExecutionStatus.CANCELED
    assert not gateway.called.is_set()
    assert topics(await emitted(store, handle.id)) == [
        "results.code-generation.prompt-parsed",
        "results.code-generation.failed",
    ]


async def test_many_runs_at_once_without_a_cache_replay_from_the_start_each_time(
    client: Client, store: EventStore, task_queue: str
) -> None:
    async with worker(client, task_queue, store, RecipeGateway(), max_cached_workflows=0):
        ids = [f"run-{uuid.uuid4()}" for _ in range(5)]
        await asyncio.gather(
            *(
                client.execute_workflow(
                    "CodeGenerationWorkflow", REQUEST, id=workflow_id, task_queue=task_queue
                )
                for workflow_id in ids
            )
        )
    for workflow_id in ids:
        assert topics(await emitted(store, workflow_id)) == ALL
