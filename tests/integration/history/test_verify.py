"""`ntbridge verify` finds nothing wrong where nothing is, and each fault that was planted."""

import json
import uuid
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest
from nats.aio.client import Client
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from bridge.history.verify.findings import Counts, Discrepancy
from bridge.history.verify.verifier import Verifier, scope_of
from bridge.jetstream.connection import connect_once
from bridge.routes.loading import load_routes
from bridge.temporal import connect
from eventstore.database import Database
from eventstore.store import EventStore
from tests.integration.dead_letters.builders import delivery, order, set_aside
from tests.support import checker, history, publishing
from tests.support.cli import ntbridge
from tests.support.daemon import LIGHT, Bridge, running
from tests.support.relays import passed, relaying
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

COUNT = 6


@pytest.fixture
async def verifier(
    bridge: Bridge, database: Database, store: EventStore
) -> AsyncIterator[Verifier]:
    settings = bridge.settings
    client = await connect_once(settings.nats, "test")
    gateway = await connect(settings.temporal)
    yield Verifier(
        settings, client, database, store, {"": gateway}, load_routes(settings.routes)
    )
    await client.close()


async def findings(verifier: Verifier) -> list[Discrepancy]:
    scope = await scope_of(verifier.database, verifier.store, grace=0)
    return [each async for each in verifier.findings(scope, Counts(lambda _: None))]


async def worked(bridge: Bridge, client: Client, verifier: Verifier) -> list[dict[str, Any]]:
    """Let the bridge work on a few events until all is at rest; return them."""
    events = publishing.light_events(COUNT, steps=1)
    async with running(bridge.light_worker(), bridge.daemon()):
        for each in events:
            await publishing.structured(client, bridge, each)
        await checker.results_arrived(bridge, 2 * COUNT)

        async def all_is_well() -> bool:
            found = await findings(verifier)
            assert found == []
            return True

        # What runs announce of their end, and visibility, lag behind.
        await eventually(all_is_well, within=30)
    return events


async def start_by_hand(bridge: Bridge, **attributes: str) -> str:
    """Start a run of the route's workflow as somebody with a client would; return its id."""
    temporal = await checker.connected(bridge)
    pairs = [
        SearchAttributePair(SearchAttributeKey.for_keyword(name), value)
        for name, value in attributes.items()
    ]
    handle = await temporal.start_workflow(
        "LightWorkflow",
        {"number": 1},
        id=f"{bridge.prefix}/{uuid.uuid4()}",
        task_queue=bridge.task_queue,
        search_attributes=TypedSearchAttributes(pairs),
    )
    return handle.id


async def reset(bridge: Bridge, workflow_id: str, run_id: str) -> None:
    """Reset a run to its first step: its new run has the same search attributes."""
    temporal = await checker.connected(bridge)
    await temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace="default",
            workflow_execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
            reason="once more",
            workflow_task_finish_event_id=4,
            request_id=str(uuid.uuid4()),
        )
    )


async def test_every_fault_is_found_and_nothing_else(
    bridge: Bridge, client: Client, database: Database, verifier: Verifier
) -> None:
    events = await worked(bridge, client, verifier)
    js, stream = client.jetstream(), f"{bridge.prefix}-RESULTS"
    published = await checker.published_results(bridge)
    # A message removed from NATS, one sent twice.
    await js.delete_msg(stream, published[1].sequence)
    twice = await js.get_msg(stream, published[2].sequence)
    headers = {k: v for k, v in (twice.headers or {}).items() if not k.startswith("Nats-")}
    await js.publish(str(twice.subject), twice.data or b"", headers=headers)
    # A result published by someone else.
    await js.publish(f"{bridge.prefix}.results.light.completed", b"{}")
    # A dispatch row removed; one whose run there is not.
    [first, second, third, fourth, *_] = await checker.dispatches(bridge)
    await database.execute("delete from dispatches where id = $1", first["id"])
    lost = str(uuid.uuid4())
    await database.execute(
        "update dispatches set run_id = $2 where id = $1", second["id"], lost
    )
    # Runs started behind the bridge's back: a plain one, and one that pretends.
    plain = await start_by_hand(bridge)
    pretending = await start_by_hand(
        bridge, BridgeRoute=bridge.light_route, EventUid=str(uuid.uuid4())
    )
    # A second run for an event, and one that is only a later run of the same chain.
    double = await start_by_hand(
        bridge, BridgeRoute=bridge.light_route, EventUid=str(third["uid"])
    )
    await reset(bridge, fourth["target"], fourth["run_id"])
    # A dead letter open.
    [letter] = await set_aside(database, delivery(10**6, order(1)))
    # An event on NATS, but not recorded.
    unrecorded = await publishing.structured(client, bridge, publishing.event(LIGHT))

    async def all_found() -> list[Discrepancy]:
        found = await findings(verifier)
        assert Counter(each.kind for each in found) == {
            "result-missing": 1,
            "result-doubled": 1,
            "result-foreign": 1,
            "event-without-dispatch": 1,
            "run-without-dispatch": 2,
            "run-started-elsewhere": 1,
            "dispatch-without-run": 1,
            "run-doubled": 2,
            "dead-letter-open": 1,
            "event-not-recorded": 1,
        }
        return found

    found = await eventually(all_found, within=30)
    by_kind = {each.kind: each for each in found}
    assert by_kind["result-missing"].position == published[1].position
    assert by_kind["result-doubled"].position == published[2].position
    assert by_kind["event-without-dispatch"].uid == first["uid"]
    runs = {each.workflow_id for each in found if each.kind == "run-without-dispatch"}
    assert runs == {first["target"], pretending}
    # The second dispatch names a run that is gone, so its own run is one too many.
    doubled = {each.workflow_id: each for each in found if each.kind == "run-doubled"}
    assert doubled.keys() == {double, second["target"]}
    assert third["run_id"] in doubled[double].detail
    assert by_kind["run-started-elsewhere"].workflow_id == plain
    assert by_kind["dispatch-without-run"].run_id == lost
    assert by_kind["dead-letter-open"].letter == letter
    assert by_kind["event-not-recorded"].sequence == unrecorded.seq
    assert len(events) == COUNT

    env = bridge.environment
    command = ("verify", "--grace", "0", "-o", "json")
    done = await ntbridge(*command, cwd=bridge.folder, env=env)
    assert done.code == 1, done.err
    whole = json.loads(done.out)
    assert len(whole["findings"]) == len(found)
    assert whole["looked_at"]["messages on the stream of results"] == len(published) + 1
    # A range leaves out what is not in it, and what may still be under way is no finding.
    position = str(published[1].position)
    narrow = await ntbridge(*command, "--to-position", position, cwd=bridge.folder, env=env)
    kinds = {each["kind"] for each in json.loads(narrow.out)["findings"]}
    assert not kinds & {"result-missing", "result-doubled", "event-not-recorded"}
    patient = await ntbridge("verify", "--grace", "3600", cwd=bridge.folder, env=env)
    kinds = {each["kind"] for each in patient.rows}
    assert not kinds & {"event-not-recorded", "run-without-dispatch"}


async def test_a_stream_that_is_gone_is_one_finding(
    bridge: Bridge, client: Client, verifier: Verifier
) -> None:
    await client.jetstream().delete_stream(f"{bridge.prefix}-RESULTS")
    [finding] = await findings(verifier)
    assert (finding.kind, finding.stream) == ("stream-missing", f"{bridge.prefix}-RESULTS")


async def test_results_that_were_moved_changed_or_not_relayed_are_found(
    bridge: Bridge, client: Client, database: Database, store: EventStore, verifier: Verifier
) -> None:
    events = await history.fill(store, 6)
    js, stream = client.jetstream(), f"{bridge.prefix}-RESULTS"
    async with relaying(bridge, database, store) as (relay, _):
        await passed(relay, events[-1].position)
    for sequence, data in ((2, None), (4, b'{"somebody": "else"}')):
        taken = await js.get_msg(stream, sequence)
        headers = {k: v for k, v in (taken.headers or {}).items() if not k.startswith("Nats-")}
        if data is None:
            await js.delete_msg(stream, sequence)
            await js.publish(str(taken.subject), taken.data or b"", headers=headers)
        else:
            position = str(events[-1].position + 1)
            altered = {**headers, "Ntbridge-Position": position}
            await history.fill(store, 1, first=100)
            await js.publish(str(taken.subject), data, headers=altered)
    await history.fill(store, 1, first=200)
    found = await findings(verifier)
    assert {each.kind: each.position for each in found} == {
        "result-out-of-order": events[1].position,
        "result-altered": events[-1].position + 1,
        "result-not-relayed": events[-1].position + 2,
    }
