"""One daemon serves two namespaces, with the same workflow ids in both; one that stalls holds up only itself."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

import pytest
import yaml
from google.protobuf.duration_pb2 import Duration
from nats.aio.client import Client as NatsClient
from temporalio import workflow
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker
from typing_extensions import override

from bridge.cli import exits
from bridge.daemon.setup import prepare
from bridge.operations.calls import CallError
from tests.support import checker, publishing
from tests.support.cli import ntbridge
from tests.support.daemon import Bridge, running
from tests.support.proxy import Proxy
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

TYPE = "com.example.jobs.asked.v1"
STARTED = "com.example.job.started.v1"
BEHIND = 12


@dataclass(frozen=True, kw_only=True)
class TwoNamespaces(Bridge):
    """A bridge with the routes of two namespaces.

    Attributes:
        billing: the name of the second namespace on the server.
        address: where it is.
    """

    billing: str
    address: str

    @property
    @override
    def environment(self) -> dict[str, str]:
        others = {"billing": {"namespace": self.billing, "address": self.address}}
        return {
            **super().environment,
            "NTBRIDGE_TEMPORAL__NAMESPACES": json.dumps(others),
            "NTBRIDGE_TEMPORAL__CALL_TIMEOUT": "2s",
        }

    @override
    async def set_up(self) -> None:
        routes = [
            {
                "name": f"{self.prefix}-{do}-{namespace or 'default'}",
                "from": "events.jobs.asked",
                "when": f"data.do == '{do}'",
                **({"namespace": namespace} if namespace else {}),
                **({"key": '"jobs"'} if do == "start" else {}),
                operation: spec,
            }
            for namespace in (None, "billing")
            for do, operation, spec in (
                ("start", "start", {**self.start, "id": '"job/" + data.id'}),
                ("note", "signal", {"signal": "note", "workflow_id": '"job/" + data.id'}),
                ("ask", "update", {"update": "ask", "workflow_id": '"job/" + data.id'}),
                ("cancel", "cancel", {"workflow_id": '"job/" + data.id'}),
            )
        ]
        self.routes_file.write_text(yaml.safe_dump({"routes": routes}))
        await prepare(self.settings)

    @property
    def start(self) -> dict[str, str]:
        return {"workflow": "Job", "task_queue": self.task_queue}


@workflow.defn(name="Job")
class Job:
    """Tells that it runs, and waits for a note."""

    def __init__(self) -> None:
        self._notes: list[str] = []

    @workflow.run
    async def run(self, asked: dict[str, Any]) -> dict[str, Any]:
        where = workflow.info().namespace
        await workflow.execute_activity(
            "events.emit",
            {"type": STARTED, "data": {"where": where}},
            task_queue=asked["emits"],
            start_to_close_timeout=timedelta(seconds=5),
        )
        await workflow.wait_condition(lambda: "done" in self._notes)
        return {"where": where, "notes": self._notes}

    @workflow.signal
    def note(self, envelope: dict[str, Any]) -> None:
        self._notes.append(envelope["data"]["note"])

    @workflow.update
    def ask(self, envelope: dict[str, Any]) -> str:
        self._notes.append(envelope["data"]["note"])
        return workflow.info().namespace


@pytest.fixture
async def bridge(
    bridge: Bridge, temporal: Client
) -> AsyncIterator[tuple[TwoNamespaces, Proxy]]:
    name = f"{bridge.prefix}-billing"
    await temporal.workflow_service.register_namespace(
        RegisterNamespaceRequest(
            namespace=name, workflow_execution_retention_period=Duration(seconds=86_400)
        )
    )
    async with Proxy.to(bridge.addresses.temporal_address) as proxy:
        mine = {each.name: getattr(bridge, each.name) for each in fields(Bridge)}
        both = TwoNamespaces(
            **{**mine, "closures": True},
            billing=name,
            address=proxy.through(bridge.addresses.temporal_address),
        )

        async def is_set_up() -> bool:
            await both.set_up()
            return True

        # The server takes a moment to know a new namespace.
        await eventually(is_set_up, within=60, forgive=(CallError,))
        yield both, proxy


@asynccontextmanager
async def working(client: Client, task_queue: str) -> AsyncIterator[None]:
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[Job],
        workflow_runner=UnsandboxedWorkflowRunner(),
    ):
        yield


async def test_one_daemon_serves_two_namespaces(
    bridge: tuple[TwoNamespaces, Proxy], client: NatsClient, temporal: Client
) -> None:
    both, proxy = bridge
    address = both.addresses.temporal_address
    billing = await Client.connect(address, namespace=both.billing)

    async def publish(do: str, job: str, note: str = "") -> str:
        data = {"do": do, "id": job, "note": note, "emits": f"{both.prefix}-events"}
        event = publishing.event(TYPE, data)
        await publishing.structured(client, both, event)
        return str(event["id"])

    async with (
        working(temporal, both.task_queue),
        working(billing, both.task_queue),
        running(both.daemon()),
    ):
        first = await publish("start", "1")
        await publish("start", "2")
        await checker.settled(both, 2)
        for do, job, note in (
            ("ask", "1", "asked"),
            ("note", "1", "done"),
            ("cancel", "2", ""),
        ):
            await publish(do, job, note)
        await checker.settled(both, 5)

        rows = await checker.dispatches(both)
        assert {row["state"] for row in rows} == {"done"}, [row["error"] for row in rows]
        assert Counter(row["namespace"] for row in rows) == {"": 5, "billing": 5}
        for where, name in ((temporal, "default"), (billing, both.billing)):
            result = await where.get_workflow_handle("job/1").result()
            assert result == {"where": name, "notes": ["asked", "done"]}
        # The start of each, and the end of each.
        await checker.results_arrived(both, 8)
        stored = await checker.stored_results(both)
        assert Counter((each["event"]["type"], each["event"]["source"]) for each in stored) == {
            (kind, f"/temporal/{name}/Job"): count
            for name in ("default", both.billing)
            for kind, count in (
                (STARTED, 2),
                ("dev.ntbridge.workflow.completed.v1", 1),
                ("dev.ntbridge.workflow.canceled.v1", 1),
            )
        }
        assert all(
            each["event"]["data"]["where"] in each["event"]["source"]
            for each in stored
            if each["event"]["type"] == STARTED
        )
        await explained(both, first)
        verified = await ntbridge(
            "verify", "--grace", "0", "--output", "json", cwd=both.folder, env=both.environment
        )
        assert json.loads(verified.out)["findings"] == [], verified.out
        assert verified.code == 0, verified.err
        await named_when_away(both)

        proxy.stall()
        await asyncio.gather(*(publish("start", f"late-{n}") for n in range(BEHIND)))

        async def others_flow() -> bool:
            rows = [row for row in await checker.dispatches(both) if "late" in row["target"]]
            states = Counter((row["namespace"], row["state"]) for row in rows)
            assert states == {("", "done"): BEHIND, ("billing", "open"): BEHIND}
            return True

        await eventually(others_flow, within=30, what="the default namespace flows")
        proxy.resume()
        await checker.settled(both, 5 + BEHIND)
        rows = [row for row in await checker.dispatches(both) if "late" in row["target"]]
        assert {row["state"] for row in rows} == {"done"}


async def named_when_away(both: TwoNamespaces) -> None:
    """Verify ends with an error that names the namespace which does not answer."""
    away = {"billing": {"namespace": both.billing, "address": "127.0.0.1:1"}}
    env = {**both.environment, "NTBRIDGE_TEMPORAL__NAMESPACES": json.dumps(away)}
    done = await ntbridge("verify", "--output", "json", cwd=both.folder, env=env, within=120)
    assert done.code == exits.UNAVAILABLE, (done.out, done.err)
    assert "billing" in done.err
    assert "127.0.0.1:1" in done.err
    assert "Traceback" not in done.err


async def explained(both: TwoNamespaces, event_id: str) -> None:
    """An operator sees both dispatches of an event, each with its own run and its own results."""
    shown = await ntbridge(
        *("events", "explain", event_id, "--output", "json"),
        cwd=both.folder,
        env=both.environment,
    )
    dispatches = json.loads(shown.out)["event"]["dispatches"]
    assert [each["namespace"] for each in dispatches] == ["", "billing"]
    assert len({each["run"]["run_id"] for each in dispatches}) == 2
    for dispatch, name in zip(dispatches, ("default", both.billing), strict=True):
        assert dispatch["run"]["status"] == "completed"
        assert [each["source"] for each in dispatch["events"]] == [f"/temporal/{name}/Job"] * 2
