"""A workflow in TypeScript and a client in Node: neither knows of anything of ours."""

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.devstack.child import Child, Command
from bridge.devstack.stack import says
from eventstore.events import uid
from tests.support import checker
from tests.support.daemon import Bridge, running
from tests.support.waiting import eventually

pytestmark = [pytest.mark.slow, pytest.mark.torture, pytest.mark.timeout(300)]

SOURCES = Path(__file__).parent / "typescript"
ENVIRONMENT = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}


@pytest.fixture(scope="session")
def project(pytestconfig: pytest.Config) -> Path:
    """The sources beside their installed packages; kept from one run of the tests to the next."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not installed: the TypeScript worker is not tested")
    if pytestconfig.cache is None:
        pytest.skip("pytest's cache is switched off: no place for the packages of npm")
    folder = pytestconfig.cache.mkdir("typescript")
    shutil.copytree(SOURCES, folder, dirs_exist_ok=True)
    locked = hashlib.sha256((SOURCES / "package-lock.json").read_bytes()).hexdigest()
    installed = folder / "installed"
    if not installed.exists() or installed.read_text() != locked:
        done = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        if done.returncode != 0:
            reason = (done.stderr.strip().splitlines() or ["no reason"])[0]
            pytest.skip(f"npm could not install the packages of the worker: {reason}")
        installed.write_text(locked)
    return folder


def route(bridge: Bridge) -> dict[str, Any]:
    start = {"workflow": "ShipOrder", "task_queue": bridge.task_queue}
    return {"name": f"{bridge.prefix}-ship", "from": "events.shop.ordered", "start": start}


def node_worker(bridge: Bridge, project: Path) -> Child:
    node = str(shutil.which("node"))
    return Child(
        Command(
            name="node-worker",
            argv=[
                *(node, str(project / "worker.js")),
                *(bridge.addresses.temporal_address, bridge.task_queue),
            ],
            env=ENVIRONMENT,
            log=bridge.folder / "node-worker.log",
            ready=says("worker ready"),
            start_within=90,
        )
    )


async def node_client(bridge: Bridge, project: Path) -> list[Mapping[str, Any]]:
    """What a client in Node gets for the request that it publishes."""
    process = await asyncio.create_subprocess_exec(
        *("node", "client.js", bridge.addresses.nats_url),
        *(f"{bridge.prefix}.", f"{bridge.prefix}-"),
        cwd=project,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(60):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, err.decode()
    return [json.loads(line) for line in out.splitlines()]


async def test_a_workflow_in_typescript_emits_and_a_client_in_node_listens(
    bridge: Bridge, project: Path
) -> None:
    bridge = replace(bridge, closures=True)
    bridge.routes_file.write_text(yaml.safe_dump({"routes": [route(bridge)]}))
    # The name that the workflow says, as a team's own would: it is the default.
    daemon = bridge.daemon(NTBRIDGE_EMIT__TASK_QUEUE="ntbridge-events")
    async with running(node_worker(bridge, project), daemon):
        packed, shipped, completed = await node_client(bridge, project)

    assert packed["type"] == "io.example.shop.packed.v1"
    assert packed["data"] == {"order": 7}
    assert shipped["data"] == {"order": 7, "parcels": 2}
    assert completed["type"] == "dev.ntbridge.workflow.completed.v1"
    assert completed["data"]["result"] == shipped["data"]
    request = packed["causationid"]
    for each in (packed, shipped, completed):
        assert (each["correlationid"], each["causationid"]) == (request, request)
        assert each["hops"] == 1
        assert each["source"] == "/temporal/default/ShipOrder"
        assert each["subject"] == f"{bridge.prefix}-ship/{uid('/examples/node', request)}"
    await checker.assert_same_results(bridge, 3)


async def test_what_the_worker_emits_is_not_doubled_when_the_daemon_is_killed(
    bridge: Bridge, project: Path
) -> None:
    bridge.routes_file.write_text(yaml.safe_dump({"routes": [route(bridge)]}))
    env = {"NTBRIDGE_EMIT__TASK_QUEUE": "ntbridge-events"}
    bridge = replace(bridge, closures=True)
    doomed = bridge.daemon("doomed", NTBRIDGE_CRASH_AT="emit.appended", **env)
    async with running(node_worker(bridge, project), doomed):
        client = asyncio.create_task(node_client(bridge, project))
        await eventually(lambda: not doomed.running, within=60)
        async with running(bridge.daemon("successor", **env)):
            told = await client
    assert [each["type"].split(".")[-2] for each in told] == ["packed", "shipped", "completed"]
    await checker.assert_same_results(bridge, 3)
