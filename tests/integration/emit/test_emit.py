"""Emits from workflows in no particular language: plain JSON to the daemon's own task queue."""

import re
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from temporalio import workflow
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from typing_extensions import override

from bridge.devstack.addresses import Addresses
from bridge.emit.activity import EmitActivities
from bridge.emit.service import Emit
from bridge.settings.schema import EmitSettings, TemporalSettings
from bridge.temporal import Gateway
from eventstore.database import Database
from eventstore.events import StoredEvent, uid
from eventstore.store import EventStore
from tests.support.daemon_parts_fixtures import database
from tests.support.emitting import at_once, namespace, unlimited
from workflows.platform.lineage import CarriesLineage

__all__ = ["database"]

SHIPPED = "io.example.shop.shipped.v1"
MEMO = {
    "ce": {"id": "42", "source": "/shop", "type": "t", "traceparent": "00-a-b-01"},
    "bridge": {
        "uid": str(uid("/shop", "42")),
        "route": "ship",
        "correlation_id": "first",
        "correlation_uid": str(uid("/portal", "first")),
        "hops": 1,
    },
}


@workflow.defn(name="Foreign")
class Foreign:
    """Emits as an author does who has never heard of our Python package."""

    @workflow.run
    async def run(self, queue: str, name: str, arguments: list[Any]) -> Any:
        return await workflow.execute_activity(
            name,
            args=arguments,
            task_queue=queue,
            start_to_close_timeout=timedelta(seconds=5),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100)),
        )


@workflow.defn(name="Family")
class Family:
    """Emits, has a child emit, and continues as new with a memo of its own to emit once more."""

    @workflow.run
    async def run(self, queue: str, again: bool) -> None:  # noqa: FBT001
        arguments = [{"type": SHIPPED, "data": "again" if again else "first"}]
        await workflow.execute_activity(
            "events.emit",
            args=arguments,
            task_queue=queue,
            start_to_close_timeout=timedelta(seconds=5),
        )
        if again:
            return
        await workflow.execute_child_workflow(
            "Foreign", args=[queue, "events.emit", [{"type": SHIPPED, "data": "child"}]]
        )
        workflow.continue_as_new(args=[queue, True], memo={"own": True})


class Asked(Gateway):
    """Counts how often it is asked."""

    asked = 0

    @override
    async def lineage_memo(self, workflow_id: str, run_id: str) -> dict[str, Any]:
        self.asked += 1
        return await super().lineage_memo(workflow_id, run_id)


@pytest.fixture
def store(database: Database) -> EventStore:
    return EventStore(database)


@pytest.fixture
async def gateway(
    stack: Addresses, temporal: Client, store: EventStore, task_queue: str
) -> AsyncIterator[Asked]:
    """The gateway of an emit service that is running."""
    gateway = Asked(temporal, TemporalSettings())
    settings = EmitSettings(task_queue=f"{task_queue}-events")
    emit = Emit(
        EmitActivities(
            store,
            gateway,
            namespace,
            unlimited,
            at_once,
        ),
        TemporalSettings(address=stack.temporal_address),
        settings,
    )
    await emit.start()
    yield gateway
    await emit.stop()


@asynccontextmanager
async def working(client: Client, task_queue: str, *interceptors: Any) -> AsyncIterator[None]:
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[Foreign, Family],
        interceptors=interceptors,
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield


async def emitted(store: EventStore, workflow_id: str) -> list[StoredEvent]:
    return [event async for event in store.read_stream(f"run-{workflow_id}")]


async def test_a_run_without_lineage_is_an_origin_and_a_list_is_one_commit(
    gateway: Asked, temporal: Client, store: EventStore, task_queue: str
) -> None:
    workflow_id = f"ship/{uuid.uuid4()}"
    events = [{"type": SHIPPED, "data": number} for number in range(3)]
    async with working(temporal, task_queue):
        answer = await temporal.execute_workflow(
            "Foreign",
            args=[f"{task_queue}-events", "events.emit", [events]],
            id=workflow_id,
            task_queue=task_queue,
        )
    stored = await emitted(store, workflow_id)
    assert answer == {"ids": [each.event.id for each in stored]}
    assert [each.event.data for each in stored] == [b"0", b"1", b"2"]
    assert {each.event.source for each in stored} == {"/temporal/default/Foreign"}
    assert {each.correlation_id for each in stored} == {workflow_id}
    assert gateway.asked == 1


@pytest.mark.parametrize("with_interceptor", [False, True])
async def test_what_began_it_is_carried_on_over_children_and_continue_as_new(
    gateway: Asked,
    temporal: Client,
    store: EventStore,
    task_queue: str,
    with_interceptor: bool,  # noqa: FBT001
) -> None:
    queue = f"{task_queue}-events"
    interceptors = [CarriesLineage(queue)] if with_interceptor else []
    workflow_id = f"ship/{uuid.uuid4()}"
    async with working(temporal, task_queue, *interceptors):
        handle = await temporal.start_workflow(
            "Family",
            args=["somewhere" if with_interceptor else queue, False],
            id=workflow_id,
            task_queue=task_queue,
            memo=MEMO,
        )
        await handle.result()
    stored = [event async for event in store.read_all()]
    assert [each.event.data for each in stored] == [b'"first"', b'"child"', b'"again"']
    for each in stored:
        assert each.event.extensions == {
            "correlationid": "first",
            "causationid": "42",
            "traceparent": "00-a-b-01",
            "hops": 2,
        }
        assert (each.correlation_id, each.causation_uid) == ("first", uid("/shop", "42"))
        assert each.correlation_uid == uid("/portal", "first")
    assert gateway.asked == (0 if with_interceptor else 3)


@pytest.mark.parametrize(
    ("name", "arguments", "says"),
    [
        ("events.emit", [{"type": SHIPPED, "dta": 1}], "did you mean 'data'"),
        ("events.emit", [SHIPPED, {"order": 7}], "one argument.* received 2"),
        ("events.emit", [], "one argument.* received 0"),
        ("event.emit", [{"type": SHIPPED}], "unknown activity 'event.emit'"),
        ("events.emit", [None], "its encoding is 'binary/null'"),
        ("events.emit", [{"type": "x." * 1500 + "y.z"}], "a type has 1 to 2000 bytes"),
    ],
)
async def test_a_wrong_emit_fails_at_once_and_says_why(
    gateway: Asked,
    temporal: Client,
    task_queue: str,
    name: str,
    arguments: list[Any],
    says: str,
) -> None:
    del gateway
    async with working(temporal, task_queue):
        with pytest.raises(WorkflowFailureError) as failed:
            await temporal.execute_workflow(
                "Foreign",
                args=[f"{task_queue}-events", name, arguments],
                id=f"ship/{uuid.uuid4()}",
                task_queue=task_queue,
            )
    error = failed.value.cause
    assert isinstance(error, ActivityError)
    assert isinstance(error.cause, ApplicationError)
    assert error.cause.type in ("InvalidEmitError", "ResultRefusedError")
    assert error.cause.non_retryable
    assert re.search(says, error.cause.message), error.cause.message
