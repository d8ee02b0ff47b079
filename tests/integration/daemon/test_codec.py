"""A whole system with a payload codec: nothing of an event is readable in Temporal or in a log.

The Temporal is the test's own, because its files are searched.
"""

import asyncio
import base64
import json
import os
import secrets
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from nats.aio.client import Client as Nats
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Replayer

from bridge.devstack.child import Child
from bridge.health.codec import probe_codec
from bridge.runtime.codec import CodecSettings, data_converter
from bridge.settings.schema import TemporalSettings
from bridge.temporal import connect
from tests.support import checker, pages
from tests.support.coded_worker import EMITTED, CodedWorkflow
from tests.support.daemon import Bridge, running
from tests.support.outages import at, own_temporal
from tests.support.publishing import event, structured
from tests.support.waiting import eventually, line
from workflows.worker.sandbox import sandbox

pytestmark = pytest.mark.slow

STARTED, SIGNALLED, UPDATED = (
    f"io.quantum-suite.coded.{name}.v1" for name in ("started", "signalled", "updated")
)
CONTENT, TROUBLE, CONTROL = "marked-content-7f3a", "marked-trouble-91bc", "marked-control-55de"
K1, K2 = (base64.b64encode(os.urandom(32)).decode() for _ in range(2))


def write_keys(path: Path, current: str, **keys: str) -> None:
    lines = [f'current = "{current}"', "[keys]", *(f'{key} = "{keys[key]}"' for key in keys)]
    new = path.with_suffix(".new")
    new.write_text("\n".join(lines))
    new.replace(path)


def write_routes(bridge: Bridge) -> None:
    target: dict[str, Any] = {
        "workflow_id": "data.id",
        "argument": "data",
        "bare": True,
        "when_missing": "wait",
        "wait_for": "60s",
    }
    operations: dict[str, dict[str, Any]] = {
        "started": {
            "start": {
                "workflow": "CodedWorkflow",
                "task_queue": bridge.task_queue,
                "id": "data.id",
                "input": "data",
                "memo": {"text": "data.text"},
                "static_summary": CONTENT,
            }
        },
        "signalled": {"signal": {"signal": "go", **target}},
        "updated": {"update": {"update": "change", "wait_stage": "completed", **target}},
    }
    routes = [
        {"name": f"{bridge.prefix}-{name}", "from": f"events.coded.{name}", **operation}
        for name, operation in operations.items()
    ]
    bridge.routes_file.write_text(yaml.safe_dump({"routes": routes}))


@dataclass
class System:
    """A daemon and a worker with the same file of keys, and a Temporal of their own."""

    bridge: Bridge
    nats: Nats
    keys: Path
    daemon: Child
    worker: Child
    temporal_files: Path
    published: int = 0

    async def publish(self, event_type: str, run: str, **data: Any) -> None:
        text = {"id": f"{self.bridge.prefix}-{run}", "text": CONTENT, **data}
        await structured(self.nats, self.bridge, event(event_type, text))
        self.published += 1

    async def results(self, count: int) -> list[dict[str, Any]]:
        """The first messages of the stream of results."""

        await checker.results_arrived(self.bridge, count)
        return [each.event for each in await checker.published_results(self.bridge)]

    async def read_by_all(self, words: str) -> None:
        """Wait until daemon and worker say that they have read the file of keys."""
        for each in (self.daemon, self.worker):
            await line(
                each.command.log, f"codec.keys_changed.*{words}|{words}.*codec.keys_changed"
            )

    def client(self, *, codec: bool = True) -> Any:
        settings = CodecSettings(keys_file=self.keys) if codec else CodecSettings()
        return Client.connect(
            self.bridge.addresses.temporal_address,
            data_converter=data_converter(settings, "default", pydantic_data_converter),
        )

    def files_with(self, text: str) -> list[str]:
        """The files of Temporal, its database and its logs, that have a text."""
        files = [each for each in self.temporal_files.rglob("*") if each.is_file()]
        return [each.name for each in files if text.encode() in each.read_bytes()]


@pytest.fixture
async def system(bridge: Bridge, client: Nats, tmp_path: Path) -> AsyncIterator[System]:
    keys = tmp_path / "keys.toml"
    write_keys(keys, "k1", k1=K1)
    folder = tmp_path / "temporal"
    async with own_temporal(folder) as temporal:
        bridge = at(replace(bridge, closures=True), temporal_address=temporal.address)
        write_routes(bridge)
        daemon = bridge.daemon(NTBRIDGE_TEMPORAL__CODEC__KEYS_FILE=str(keys))
        worker = bridge._child(  # noqa: SLF001 - as `light_worker`, for another module
            "worker",
            ["tests.support.coded_worker"],
            "worker ready",
            {
                "NTBRIDGE_WORKER_MODULES": "coded",
                "NTBRIDGE_WORKER_TASK_QUEUE": bridge.task_queue,
                "NTBRIDGE_WORKER_CODEC__KEYS_FILE": str(keys),
            },
        )
        async with running(daemon, worker):
            yield System(bridge, client, keys, daemon, worker, folder)


async def test_nothing_is_readable_in_temporal_or_in_a_log(system: System) -> None:
    await system.publish(STARTED, "good")
    await system.publish(STARTED, "bad", trouble=TROUBLE)
    await system.publish(UPDATED, "good")
    await system.publish(UPDATED, "good", trouble=TROUBLE)
    await system.results(2)
    await system.publish(SIGNALLED, "good")
    await system.publish(SIGNALLED, "bad")
    results = await system.results(4)
    await checker.settled(system.bridge, system.published)

    by_run: dict[str, list[dict[str, Any]]] = {"good": [], "bad": []}
    for each in results:
        by_run[each["subject"].rpartition("-")[2]].append(each)
    # Subscribers read everything: what was emitted, and how the runs ended.
    for found in by_run.values():
        assert [each["data"] for each in found if each["type"] == EMITTED] == [
            {"text": CONTENT}
        ]
        # The lineage was read from an encoded memo.
        assert {each["hops"] for each in found} == {1}
        assert all(each["causationid"] for each in found)
    (closed,) = (each["data"] for each in by_run["good"] if each["type"] != EMITTED)
    assert closed["result"] == {"text": CONTENT, "signalled": CONTENT}
    (failed,) = (each["data"] for each in by_run["bad"] if each["type"] != EMITTED)
    assert failed["failure"]["message"] == TROUBLE
    assert failed["failure"]["type"] == "Trouble"
    (letter,) = await checker.dead_letters(system.bridge)
    assert TROUBLE in str(dict(letter))

    # A search of the files finds what is there in clear: an argument of a client without a codec.
    plain = await system.client(codec=False)
    await plain.start_workflow("W", {"text": CONTROL}, id="control", task_queue="none")
    await eventually(lambda: system.files_with(CONTROL))
    for mark in (CONTENT, TROUBLE):
        assert system.files_with(mark) == []
        assert mark not in system.daemon.output()
    assert CONTENT not in system.worker.output()
    for secret in (K1, base64.b64decode(K1).hex()):
        assert secret not in system.daemon.output() + system.worker.output()

    # Doctor sees that daemon and worker agree, and that another daemon would lack the key.
    settings = TemporalSettings(
        address=system.bridge.addresses.temporal_address,
        codec=CodecSettings(keys_file=system.keys),
    )
    finding = await probe_codec(await connect(settings), settings.codec)
    assert (finding.state, "results of 1 of the latest 1" in finding.detail) == ("ok", True), (
        finding
    )
    finding = await probe_codec(
        await connect(TemporalSettings(address=settings.address)), CodecSettings()
    )
    assert (finding.state, "encrypted with k1" in finding.detail) == ("warning", True), finding

    # The daemon's status says it too, and its log names a run whose payloads it has no key for.
    page = await pages.get(await pages.url_of(system.daemon.command.log), "/status")
    assert page.json["codec"] == {"default": "on: AES-256-GCM, current key k1; known: k1"}
    await a_run_without_a_key_is_named(system)

    # The histories replay with the keys, and only with them.
    coded = await system.client()
    replayer = Replayer(
        workflows=[CodedWorkflow],
        workflow_runner=sandbox(),
        data_converter=coded.data_converter,
    )
    for run in ("good", "bad"):
        handle = coded.get_workflow_handle(f"{system.bridge.prefix}-{run}")
        await replayer.replay_workflow(await handle.fetch_history())


async def a_run_without_a_key_is_named(system: System) -> None:
    other = system.keys.with_name("other.toml")
    write_keys(other, "k9", k9=base64.b64encode(secrets.token_bytes(32)).decode())
    converter = data_converter(
        CodecSettings(keys_file=other), "default", pydantic_data_converter
    )
    client = await Client.connect(
        system.bridge.addresses.temporal_address, data_converter=converter
    )
    run = await client.start_workflow(
        "W",
        id=f"{system.bridge.prefix}-locked",
        task_queue="none",
        memo={"ce": {"id": CONTROL}},
    )
    await run.terminate()
    noted = "insert into runs (run_id, workflow_id, latest, uid, route) values ($1, $2, $1, $3, 'r')"
    await checker.rows(system.bridge, noted, run.result_run_id, run.id, uuid.uuid4())
    said = json.loads(await line(system.daemon.command.log, "closures.not_decoded", within=60))
    assert (said["workflow_id"], "k9" in said["error"]) == (run.id, True)
    assert "temporal.codec" in said["next_step"]
    (kept,) = await checker.rows(
        system.bridge, "select state from runs where workflow_id = $1", run.id
    )
    assert kept["state"] == "open"


@pytest.mark.timeout(240)
async def test_keys_rotate_under_load(system: System) -> None:
    await system.publish(STARTED, "long")
    await system.results(1)
    stop = asyncio.Event()

    async def load() -> int:
        number = 0
        while not stop.is_set():
            await system.publish(STARTED, f"run{number}")
            await system.publish(SIGNALLED, f"run{number}")
            number += 1
            await asyncio.sleep(0.2)
        return number

    loading = asyncio.create_task(load())
    try:
        await system.results(6)
        # The order of a rotation: everyone knows the key before one uses it.
        write_keys(system.keys, "k1", k1=K1, k2=K2)
        await system.read_by_all("k1, k2")
        write_keys(system.keys, "k2", k1=K1, k2=K2)
        await system.read_by_all('"k2"')
        await system.results(len(await system.results(6)) + 20)
    finally:
        stop.set()
    runs = await loading

    await system.publish(SIGNALLED, "long")
    await checker.settled(system.bridge, system.published)
    results = await system.results(2 * (runs + 1))
    texts = [each["data"] for each in results if each["type"] == EMITTED]
    assert texts == [{"text": CONTENT}] * (runs + 1)
    closed = [each["data"]["result"] for each in results if each["type"] != EMITTED]
    assert closed == [{"text": CONTENT, "signalled": CONTENT}] * (runs + 1)
    assert await checker.dead_letters(system.bridge) == []
    assert system.files_with(CONTENT) == []
    temporal = await system.client()
    assert await keys_of(temporal, "input") == {"k1", "k2"}
    assert await keys_of(temporal, "result") == {"k1", "k2"}


async def keys_of(client: Client, field: str) -> set[str]:
    """The ids of the keys of the runs' arguments, or of their results."""
    found: set[str] = set()
    async for run in client.list_workflows('WorkflowType = "CodedWorkflow"'):
        history = await client.get_workflow_handle(run.id, run_id=run.run_id).fetch_history()
        ends: Mapping[str, Any] = history.to_json_dict()["events"][
            -1 if field == "result" else 0
        ]
        for attributes in ends.values():
            if isinstance(attributes, dict) and field in attributes:
                (payload,) = attributes[field]["payloads"]
                found.add(base64.b64decode(payload["metadata"]["encryption-key-id"]).decode())
    return found
