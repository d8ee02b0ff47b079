"""The worker as a process: ready, served, drained, killed, started again."""

import asyncio
import json
import os
import random
import re
import signal
import sys
import uuid
from pathlib import Path

import pytest
from temporalio.client import Client

from bridge import samples
from eventstore.store import EventStore
from tests.support import pages
from tests.support.proxy import Proxy
from tests.support.services import ending_services
from tests.support.stand_in_llm import refuses, stand_in
from tests.support.waiting import eventually, line
from tests.support.worker_process import worker_process
from workflows.pipelines.devsecops_pipeline import Phase

pytestmark = pytest.mark.slow

REQUEST = {"prompt": "Implement a binary search"}


async def emitted(store: EventStore, workflow_id: str) -> list[str]:
    events = [event async for event in store.read_stream(f"run-{workflow_id}")]
    return [str(stored.topic).rpartition(".")[2] for stored in events]


ALL = [
    "prompt-parsed",
    "code-generated",
    "code-validated",
    "fingerprint-recorded",
    "completed",
    "sealed",
]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_serves_and_stops_in_an_orderly_way(
    number: signal.Signals,
    client: Client,
    store: EventStore,
    flags: dict[str, str],
    tmp_path: Path,
) -> None:
    workflow_id = f"run-{uuid.uuid4()}"
    async with worker_process(tmp_path / "log", **flags) as worker:
        await worker.ready()
        await client.execute_workflow(
            "CodeGenerationWorkflow", REQUEST, id=workflow_id, task_queue=flags["task_queue"]
        )
        assert await worker.stop(number) == (0, b"")
    assert await emitted(store, workflow_id) == ALL
    entries = [json.loads(entry) for entry in worker.log.read_text().splitlines()]
    assert entries[-1]["event"] == "worker stopped"
    logged = [entry for entry in entries if entry["event"] == "result event"]
    assert [entry["type"].split(".")[-2] for entry in logged] == ALL
    assert {entry["workflow_id"] for entry in logged} == {workflow_id}


async def test_runs_are_counted_from_zero_before_the_first_one(
    client: Client, flags: dict[str, str], tmp_path: Path
) -> None:
    port = {"NTBRIDGE_WORKER_HTTP_PORT": "0"}

    async def counted(url: str) -> dict[str, float]:
        lines = (await pages.get(url, "/metrics")).body.splitlines()
        return {
            name
            + (reason.group() if (reason := re.search(r'reason="\w+"', each)) else ""): float(
                each.rpartition(" ")[2]
            )
            for each in lines
            if 'workflow_type="CodeGenerationWorkflow"' in each
            for name in [each.partition("{")[0]]
            if name.startswith("workflow_") and name.endswith("_total")
        }

    ended = {'workflow_failed_totalreason="failed"', 'workflow_failed_totalreason="cancelled"'}
    async with worker_process(tmp_path / "log", port, **flags) as worker:
        await worker.ready()
        url = await pages.url_of(tmp_path / "log")

        async def begun() -> bool:
            assert await counted(url) == dict.fromkeys(
                {"workflow_started_total", "workflow_completed_total", *ended}, 0.0
            )
            return True

        await eventually(begun)
        await client.execute_workflow(
            "CodeGenerationWorkflow",
            REQUEST,
            id=f"run-{uuid.uuid4()}",
            task_queue=flags["task_queue"],
        )

        async def completed() -> bool:
            # The same series: not one beside it.
            assert await counted(url) == {
                "workflow_started_total": 1,
                "workflow_completed_total": 1,
                **dict.fromkeys(ended, 0.0),
            }
            lines = (await pages.get(url, "/metrics")).body.splitlines()
            assert sum(each.startswith("workflow_completed_total{") for each in lines) == 1
            return True

        await eventually(completed)


async def test_workers_with_other_modules_each_do_their_part_of_one_run(
    client: Client,
    store: EventStore,
    flags: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NTBRIDGE_WORKER_STATE", str(tmp_path / "state"))
    prefix = flags.pop("task_queue")
    common = {**flags, "queue_prefix": prefix}
    workflow_id = f"run-{uuid.uuid4()}"
    request = json.loads(samples.event("devsecops"))["data"]
    async with (
        ending_services(flags["database_url"]),
        worker_process(tmp_path / "a", **{**common, "modules": "pipelines,qagent,qinfra"}) as a,
        worker_process(tmp_path / "b", **{**common, "modules": "qtest,qsecure,qsre"}) as b,
    ):
        await asyncio.gather(a.ready(), b.ready())
        handle = await client.start_workflow(
            "DevSecOpsPipelineWorkflow",
            request,
            id=workflow_id,
            task_queue=f"{prefix}-pipelines",
        )
        await handle.result()
        served: dict[str, set[str]] = {}
        scheduled: dict[int, str] = {}
        for event in (await handle.fetch_history()).events:
            if event.HasField("activity_task_scheduled_event_attributes"):
                name = event.activity_task_scheduled_event_attributes.activity_type.name
                scheduled[event.event_id] = name.partition(".")[0]
            elif event.HasField("activity_task_started_event_attributes"):
                started = event.activity_task_started_event_attributes
                module = scheduled[started.scheduled_event_id]
                served.setdefault(module, set()).add(started.identity)
        first, second = served["qagent"], served["qtest"]
        assert len(first) == len(second) == 1
        assert first != second
        assert served["qinfra"] == first
        assert served["qsecure"] == served["qsre"] == second
        assert [(await each.stop())[0] for each in (a, b)] == [0, 0]
    assert (await emitted(store, workflow_id))[-2:] == [
        "completed",
        "sealed",
    ]
    entries = [json.loads(entry) for entry in a.log.read_text().splitlines()]
    phases = [
        entry["phase"]
        for entry in entries
        if entry["event"] == "phase begins" and entry["workflow_id"] == workflow_id
    ]
    assert phases == [str(phase) for phase in Phase]


async def test_it_waits_for_its_servers(
    client: Client, flags: dict[str, str], tmp_path: Path
) -> None:
    async with (
        Proxy.to(flags["database_url"]) as postgres,
        Proxy.to(flags["temporal_address"]) as temporal,
    ):
        await postgres.refuse()
        await temporal.refuse()
        proxied = {
            "database_url": postgres.through(flags["database_url"]),
            "temporal_address": temporal.through(flags["temporal_address"]),
        }
        async with worker_process(tmp_path / "log", **{**flags, **proxied}) as worker:
            await line(worker.log, '"server": "postgres".*server away')
            url = await pages.url_of(worker.log)
            shown = await pages.get(url, "/readyz")
            assert (shown.status, shown.failed) == (503, ["worker", "postgres"])
            assert shown.check("postgres")["to do"].startswith("start Postgres")
            assert (await pages.get(url, "/livez")).status == 200
            await postgres.accept()
            await line(worker.log, '"server": "temporal".*server away')
            assert (await pages.get(url, "/readyz")).failed == ["worker", "temporal"]
            await temporal.accept()
            await worker.ready()
            assert (await pages.get(url, "/readyz")).status == 200
            await client.execute_workflow(
                "CodeGenerationWorkflow",
                REQUEST,
                id=f"run-{uuid.uuid4()}",
                task_queue=flags["task_queue"],
            )
            assert (await worker.stop())[0] == 0


async def test_readiness_knows_the_language_model_and_redis(
    flags: dict[str, str], tmp_path: Path
) -> None:
    async with stand_in(refuses("401 X", '{"error": "who are you?"}')) as model:
        env = {
            "NTBRIDGE_WORKER_QAGENT__GATEWAY": "openai",
            "NTBRIDGE_WORKER_OPENAI__BASE_URL": model.url,
            "NTBRIDGE_WORKER_OPENAI__MODEL": "writer",
            "REDIS_URL": "redis://127.0.0.1:1",
        }
        async with worker_process(tmp_path / "log", env, **flags) as worker:
            await worker.ready()
            await line(worker.log, "the language model is not ready", within=60)
            url = await pages.url_of(worker.log)
            shown = await pages.get(url, "/readyz")
            assert (shown.status, shown.failed) == (503, ["language model"])
            assert "NTBRIDGE_WORKER_OPENAI__API_KEY" in shown.check("language model")["to do"]
            assert shown.check("redis")["state"] == "warning"
            assert (await worker.stop())[0] == 0


async def test_it_can_be_stopped_while_it_waits(flags: dict[str, str], tmp_path: Path) -> None:
    async with Proxy.to(flags["temporal_address"]) as temporal:
        await temporal.refuse()
        proxied = {"temporal_address": temporal.through(flags["temporal_address"])}
        async with worker_process(tmp_path / "log", **{**flags, **proxied}) as worker:
            await line(worker.log, "server away")
            assert await worker.stop() == (0, b"")


async def test_it_outlives_an_outage_of_temporal(
    client: Client, store: EventStore, flags: dict[str, str], tmp_path: Path
) -> None:
    async with Proxy.to(flags["temporal_address"]) as temporal:
        proxied = {"temporal_address": temporal.through(flags["temporal_address"])}
        async with worker_process(tmp_path / "log", **{**flags, **proxied}) as worker:
            await worker.ready()
            await temporal.refuse()
            handle = await client.start_workflow(
                "CodeGenerationWorkflow",
                REQUEST,
                id=f"run-{uuid.uuid4()}",
                task_queue=flags["task_queue"],
            )
            await temporal.accept()
            await handle.result()
            assert (await worker.stop())[0] == 0
    assert await emitted(store, handle.id) == ALL


async def test_a_wrong_setting_is_told(flags: dict[str, str], tmp_path: Path) -> None:
    wrong = {**flags, "modules": "qagent,qtset"}
    async with worker_process(tmp_path / "log", **wrong) as worker:
        await worker.process.communicate()
        assert worker.process.returncode == 2
    assert "unknown module qtset" in worker.log.read_text()


async def test_a_state_folder_that_cannot_be_used_is_one_sentence(
    flags: dict[str, str], tmp_path: Path
) -> None:
    bad = {"NTBRIDGE_WORKER_STATE": "/proc/nowhere", "NTBRIDGE_WORKER_HTTP_PORT": "0"}
    async with worker_process(tmp_path / "log", bad, **flags) as worker:
        assert await worker.process.wait() == 2
    told = (tmp_path / "log").read_text()
    assert "/proc/nowhere" in told
    assert "Traceback" not in told


async def test_killed_again_and_again_it_emits_everything_exactly_once(
    client: Client, store: EventStore, flags: dict[str, str], tmp_path: Path
) -> None:
    seed = int(os.environ.get("SEED", str(random.randrange(10**6))))
    sys.stdout.write(f"SEED={seed}\n")
    dice = random.Random(seed)
    handles = [
        await client.start_workflow(
            "CodeGenerationWorkflow",
            REQUEST,
            id=f"run-{uuid.uuid4()}",
            task_queue=flags["task_queue"],
        )
        for _ in range(20)
    ]
    for life in range(3):
        async with worker_process(tmp_path / f"log{life}", **flags) as worker:
            await worker.ready()
            await asyncio.sleep(dice.uniform(0.1, 1.0))  # the moment of death is the test
            await worker.stop(signal.SIGKILL)
    async with worker_process(tmp_path / "log", **flags) as worker:
        await asyncio.gather(*(handle.result() for handle in handles))
        assert (await worker.stop())[0] == 0
    for handle in handles:
        assert await emitted(store, handle.id) == ALL
