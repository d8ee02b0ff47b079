"""Daemons and workers as processes, with the environment that the manifests give them; one at a time is killed.

The servers have the manifests' configuration: a NATS cluster with its logins, TLS everywhere, Postgres with its roles.
"""

import asyncio
import json
import random
import ssl
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import nats
import pytest
import yaml
from nats.aio.client import Client
from nats.aio.msg import Msg

from bridge import samples
from bridge.devstack.child import Child, Command
from bridge.devstack.environment import scrubbed
from bridge.devstack.stack import says
from tests.support.cli import ntbridge
from tests.support.daemon import running
from tests.support.kubernetes.manifests import (
    ROOT,
    Document,
    Workload,
    contents,
    made_secrets,
    placed,
    rendered,
    workloads,
)
from tests.support.kubernetes.servers import Servers, servers
from tests.support.waiting import eventually
from workflows.pipelines.catalogue import PIPELINES

pytest.importorskip("moto", reason="moto, a server that speaks S3, is not installed")

pytestmark = pytest.mark.torture

_DAEMONS = 3
_ROUNDS = 3
_LEAST_KILLS = 8
_WITHIN = 900.0
_HERE = {"NTBRIDGE_HTTP__PORT": "0", "NTBRIDGE_WORKER_HTTP_PORT": "0"}
"""All processes share this machine's ports; in a pod each has its own."""


def child(
    each: Workload, documents: Sequence[Document], there: Servers, folder: Path, number: int = 0
) -> Child:
    """A process as a container of a workload starts it."""
    name = f"{each.name}-{number}"
    own = folder / name
    variables = placed(each, documents, own)
    for file in own.rglob("*"):
        if file.is_file():
            file.write_text(there.here(file.read_text(encoding="utf-8")), encoding="utf-8")
    module = {"ntbridge": "bridge", "ntbridge-worker": "workflows.worker"}[each.program]
    (own / "var/lib/ntbridge").mkdir(parents=True, exist_ok=True)
    routes = {"NTBRIDGE_ROUTES": str(own / "etc/ntbridge/routes.yaml")}  # the working folder
    return Child(
        Command(
            name=name,
            argv=[sys.executable, "-m", module, *each.container["args"][1:]],
            env={
                **scrubbed(),
                **{key: there.here(value) for key, value in variables.items()},
                **(routes if module == "bridge" else {}),
                **_HERE,
                "PYTHONPATH": str(ROOT),
            },
            log=folder / f"{name}.log",
            ready=says("daemon.ready" if module == "bridge" else "worker ready"),
            start_within=240,
            stop_within=120,
        )
    )


@asynccontextmanager
async def client(
    there: Servers, documents: Sequence[Document], folder: Path, login: str
) -> AsyncIterator[Client]:
    """A client of NATS with a login of the secret for people."""
    known = contents(documents)
    password = known["Secret", "quantum-services", "nats-logins"][login].strip()
    any_url = known["Secret", "quantum-services", "ntbridge-daemon"]["nats-url"]
    hosts = [part.rpartition("@")[2] for part in there.here(any_url).split(",")]
    context = ssl.create_default_context(cafile=folder / "nats-0" / "tls" / "ca.crt")
    connection = await nats.connect(
        [f"tls://{host}" for host in hosts],
        user=login,
        password=password,
        tls=context,
        inbox_prefix=f"_INBOX_{login}".encode(),
        max_reconnect_attempts=-1,
    )
    try:
        yield connection
    finally:
        await connection.close()


def event(name: str, number: int) -> tuple[str, dict[str, Any]]:
    """A pipeline's sample with an id of its own, and its topic."""
    sample = json.loads((samples.ROUTES.parent / f"{name}.json").read_text(encoding="utf-8"))
    data = dict(sample["data"])
    if "environment" in data:
        data["environment"] = f"staging-{name}-{number}"  # changes there need nobody's approval
    if "resources" in data:  # a volume is a folder, which an object store elsewhere cannot have
        data["resources"] = [each for each in data["resources"] if each["kind"] != "volume"]
    if "service" in data:
        data["service"] = f"{data['service']}-{number}"
    (topic,) = (
        route["from"]
        for route in yaml.safe_load(samples.ROUTES.read_text(encoding="utf-8"))["routes"]
        if route["name"] == name
    )
    return topic, {**sample, "id": f"{name}-{number}", "data": data}


@pytest.mark.timeout(3600)
async def test_all_pipelines_end_once_whichever_process_is_killed(tmp_path: Path) -> None:
    documents = (*rendered("dev"), *made_secrets())
    by_name = {each.name: each for each in workloads(documents)}
    workers = [each for each in by_name.values() if each.program == "ntbridge-worker"]
    assert len(workers) == 6
    async with servers(documents, tmp_path) as there:
        job = child(by_name["ntbridge-migrate"], documents, there, tmp_path)
        await _to_the_end(job)
        daemons = [
            child(by_name["ntbridge"], documents, there, tmp_path, number)
            for number in range(_DAEMONS)
        ]
        processes = [*daemons, *(child(each, documents, there, tmp_path) for each in workers)]
        async with running(*processes), _published(documents, there, tmp_path) as results:
            sent = await _publish(documents, there, tmp_path)
            killed = await _kill_until(processes, lambda: sent <= set(_closed(results)))
        assert killed >= _LEAST_KILLS
        ended = _closed(results)
        assert [each for each in ended.values() if each[0][0] != "completed"] == []
        assert {uid: [name for name, _ in each] for uid, each in ended.items()} == {
            uid: ["completed"] for uid in sent
        }
        assert max(Counter(each["id"] for each in results).values()) == 1
        checked = await ntbridge("verify", env=daemons[0].command.env, cwd=tmp_path, within=300)
        assert checked.code == 0, (checked.out, checked.err)


async def _to_the_end(job: Child) -> None:
    """Run a job; what it waits for is there."""
    process = await asyncio.create_subprocess_exec(
        *job.command.argv,
        env=dict(job.command.env),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


@asynccontextmanager
async def _published(
    documents: Sequence[Document], there: Servers, folder: Path
) -> AsyncIterator[list[dict[str, Any]]]:
    """All result events, as a subscriber of their subjects receives them."""
    results: list[dict[str, Any]] = []

    async def take(message: Msg) -> None:
        results.append(json.loads(message.data))

    async with client(there, documents, folder, "subscriber") as connection:
        await connection.subscribe("results.>", cb=take)
        await connection.flush()
        yield results


def _closed(results: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[str, Any]]]:
    """How each pipeline ended, by the id of the event that started it."""
    domains = {each.domain for each in PIPELINES}
    ended: dict[str, list[tuple[str, Any]]] = {}
    for each in results:
        domain, name = each["type"].removeprefix("io.quantum-suite.").split(".")[:2]
        if name in {"completed", "failed"} and domain in domains:
            pipeline = each["correlationid"].rpartition("-")[0]
            if any(known.name == pipeline and known.domain == domain for known in PIPELINES):
                ended.setdefault(each["correlationid"], []).append((name, each["data"]))
    return ended


async def _publish(documents: Sequence[Document], there: Servers, folder: Path) -> set[str]:
    sent = set()
    async with client(there, documents, folder, "publisher") as connection:
        for number in range(_ROUNDS):
            for pipeline in PIPELINES:
                topic, content = event(pipeline.name, number)
                await connection.jetstream().publish(topic, json.dumps(content).encode())
                sent.add(content["id"])
    return sent


async def _kill_until(processes: Sequence[Child], is_done: Callable[[], bool]) -> int:
    """Kill one process after another, each when the last one is back; return how many."""
    chooser = random.Random(4)
    killed = 0
    done = asyncio.Event()

    async def look() -> bool:
        return is_done()

    async def watch() -> None:
        await eventually(look, within=_WITHIN, what="all pipelines end")
        done.set()

    watching = asyncio.create_task(watch())
    try:
        while killed < _LEAST_KILLS or not (done.is_set() or watching.done()):
            victim = chooser.choice(processes)
            await victim.kill()
            await victim.start()
            killed += 1
            with suppress(TimeoutError):
                async with asyncio.timeout(chooser.uniform(0.5, 4)):
                    await done.wait()
        await watching
    finally:
        watching.cancel()
    return killed
