"""A 5 MB event crosses the whole way, and a result of that size comes back: Temporal has references."""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest
import yaml
from nats.aio.client import Client as Nats
from temporalio.client import Client

from tests.support import checker
from tests.support.coded_worker import EMITTED
from tests.support.daemon import Bridge, running
from tests.support.publishing import event, structured
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

STARTED = "io.quantum-suite.coded.started.v1"
SIGNALLED = "io.quantum-suite.coded.signalled.v1"
LARGE = "x" * 5_000_000
SMALL = "x" * 90_000
TEMPORAL_TAKES = 2 * 2**20


class Store(Protocol):
    """An object store that can be taken away."""

    url: str
    variables: Mapping[str, str]

    def stop(self) -> None: ...

    def start(self) -> None: ...


class Folder:
    """A folder; taken away, it is a file."""

    variables: Mapping[str, str] = {}

    def __init__(self, path: Path) -> None:
        self._path, self._away = path, path.with_name("away")
        path.mkdir(parents=True)
        self.url = path.as_uri()

    def stop(self) -> None:
        self._path.rename(self._away)
        self._path.write_text("")

    def start(self) -> None:
        self._path.unlink()
        self._away.rename(self._path)


@contextmanager
def folder(path: Path) -> Iterator[Store]:
    yield Folder(path / "payloads")


@contextmanager
def s3(_path: Path) -> Iterator[Store]:
    pytest.importorskip("moto", reason="moto, a server that speaks S3, is not installed")
    from tests.support.own_s3 import RestartableS3  # noqa: PLC0415 - it needs moto

    server = RestartableS3()
    try:
        yield server
    finally:
        server.stop()


STORES: Mapping[str, Callable[[Path], Any]] = {"folder": folder, "S3": s3}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with STORES[request.param](tmp_path) as found:
        yield found


def write_routes(bridge: Bridge) -> None:
    start = {
        "workflow": "CodedWorkflow",
        "task_queue": bridge.task_queue,
        "id": "data.id",
        "input": "data",
    }
    signal = {"workflow_id": "data.id", "argument": "data", "bare": True, "signal": "go"}
    routes: list[dict[str, Any]] = [
        {"name": f"{bridge.prefix}-started", "from": "events.coded.started", "start": start},
        {
            "name": f"{bridge.prefix}-signalled",
            "from": "events.coded.signalled",
            "signal": {**signal, "when_missing": "wait", "wait_for": "300s"},
        },
    ]
    bridge.routes_file.write_text(yaml.safe_dump({"routes": routes}))


@pytest.fixture
async def system(bridge: Bridge, store: Store) -> AsyncIterator[Bridge]:
    """A daemon and a worker with this store."""
    bridge = replace(bridge, closures=True)
    write_routes(bridge)
    daemon = bridge.daemon(
        NTBRIDGE_TEMPORAL__PAYLOADS__STORE=store.url,
        NTBRIDGE_CLOSURES__MAX_RESULT_BYTES="6000000",
        **store.variables,
    )
    worker = bridge._child(  # noqa: SLF001 - as `light_worker`, for another module
        "worker",
        ["tests.support.coded_worker"],
        "worker ready",
        {
            "NTBRIDGE_WORKER_MODULES": "coded",
            "NTBRIDGE_WORKER_TASK_QUEUE": bridge.task_queue,
            "NTBRIDGE_WORKER_PAYLOADS__STORE": store.url,
            **store.variables,
        },
    )
    async with running(daemon, worker):
        yield bridge


async def test_5_megabytes_go_there_and_back_while_the_store_is_away_and_returns(
    system: Bridge, store: Store, client: Nats
) -> None:
    bridge, workflow_id = system, f"{system.prefix}-large"
    store.stop()
    asked = event(STARTED, {"id": workflow_id, "text": LARGE})
    await structured(client, bridge, asked)

    async def refused() -> bool:
        rows = await checker.rows(bridge, "select state, error from dispatches")
        return bool(rows) and rows[0]["error"] is not None

    await eventually(refused, within=120, what="the store is missed")
    (row,) = await checker.rows(bridge, "select state, error from dispatches")
    assert row["state"] == "open", row["error"]
    assert store.url.removeprefix("s3://").partition("/")[0] in row["error"]
    store.start()
    await checker.results_arrived(bridge, 1)
    (emitted,) = await checker.published_results(bridge)
    assert emitted.event["type"] == EMITTED
    assert emitted.event["data"] == {"text": LARGE}

    await structured(client, bridge, event(SIGNALLED, {"id": workflow_id, "text": "go"}))
    await checker.results_arrived(bridge, 2)
    closed = (await checker.published_results(bridge))[-1].event["data"]
    assert closed["result"] == {"text": LARGE, "signalled": "go"}
    await checker.settled(bridge, 2)
    assert await checker.dead_letters(bridge) == []

    # Temporal has references alone.
    temporal = await Client.connect(bridge.addresses.temporal_address)
    history = await temporal.get_workflow_handle(workflow_id).fetch_history()
    assert sum(each.ByteSize() for each in history.events) < TEMPORAL_TAKES // 10


async def test_data_that_an_event_names_reach_the_workflow(
    bridge: Bridge, client: Nats, tmp_path: Path
) -> None:
    bridge = replace(bridge, closures=True)
    routes = [
        {
            "name": f"{bridge.prefix}-claimed",
            "from": "events.coded.started",
            "dataref": "fetch",
            "start": {"workflow": "CodedWorkflow", "task_queue": bridge.task_queue},
        }
    ]
    bridge.routes_file.write_text(yaml.safe_dump({"routes": routes}))
    claims = tmp_path / "claims"
    claims.mkdir()
    (claims / "1").write_text(json.dumps({"id": "claimed", "text": LARGE}))
    with folder(tmp_path) as store:
        daemon = bridge.daemon(
            NTBRIDGE_TEMPORAL__PAYLOADS__STORE=store.url,
            NTBRIDGE_DATAREF__ORIGINS=json.dumps([claims.as_uri()]),
        )
        worker = bridge._child(  # noqa: SLF001 - see above
            "worker",
            ["tests.support.coded_worker"],
            "worker ready",
            {
                "NTBRIDGE_WORKER_MODULES": "coded",
                "NTBRIDGE_WORKER_TASK_QUEUE": bridge.task_queue,
                "NTBRIDGE_WORKER_PAYLOADS__STORE": store.url,
            },
        )
        async with running(daemon, worker):
            for name in ("1", "gone"):
                claim = event(STARTED, None, dataref=f"{claims.as_uri()}/{name}")
                del claim["data"]
                await structured(client, bridge, claim)
            await checker.results_arrived(bridge, 1)
            await checker.settled(bridge, 2)
    (emitted,) = await checker.published_results(bridge)
    assert emitted.event["data"] == {"text": LARGE}
    (letter,) = await checker.dead_letters(bridge)
    assert "the event's dataref does not exist" in letter["reason"]
    # The store has the event as it came.
    stored = await checker.stored_events(bridge)
    assert [each["event"].get("data") for each in stored[:2]] == [None, None]


async def test_a_result_that_the_store_has_lost_does_not_hold_up_the_closure(
    bridge: Bridge, client: Nats, tmp_path: Path
) -> None:
    bridge = replace(bridge, closures=True)
    write_routes(bridge)
    with folder(tmp_path) as lost, folder(tmp_path / "of-the-daemon") as other:
        async with AsyncExitStack() as stack:
            worker = bridge._child(  # noqa: SLF001 - see above
                "worker",
                ["tests.support.coded_worker"],
                "worker ready",
                {
                    "NTBRIDGE_WORKER_MODULES": "coded",
                    "NTBRIDGE_WORKER_TASK_QUEUE": bridge.task_queue,
                    "NTBRIDGE_WORKER_PAYLOADS__STORE": lost.url,
                },
            )
            daemon = bridge.daemon(NTBRIDGE_TEMPORAL__PAYLOADS__STORE=other.url)
            await stack.enter_async_context(running(daemon, worker))
            workflow_id = f"{bridge.prefix}-lost"
            await structured(client, bridge, event(STARTED, {"id": workflow_id, "text": SMALL}))
            await checker.results_arrived(bridge, 1)
            # Both are under the threshold, the result is over it.
            await structured(
                client, bridge, event(SIGNALLED, {"id": workflow_id, "text": SMALL})
            )
            await checker.results_arrived(bridge, 2)
    closed = (await checker.published_results(bridge))[-1].event["data"]
    assert closed["status"] == "completed"
    assert "result" not in closed
    assert "stored outside Temporal, and is gone" in closed["result_omitted"]
