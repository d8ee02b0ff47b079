"""`ntbridge dev` as a whole: the sample, kills, the state that stays."""

import asyncio
import json
import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import nats
import pytest

from bridge.devstack.addresses import Addresses
from bridge.runtime.redaction import without_secrets
from tests.support.cli import Dev, following, ntbridge
from tests.support.daemon import REQUESTED
from tests.support.publishing import PROMPT
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

FLAGS = ("--type", REQUESTED, "--data", json.dumps(PROMPT))
PARTS = {"dev", "nats-server", "temporal", "postgres", "daemon", "worker", "console"}


def entries(folder: Path, pattern: str = "*") -> list[Path]:
    return list(folder.glob(pattern))


def alive(addresses: Addresses) -> set[str]:
    return {name for name, pid in addresses.pids.items() if Path(f"/proc/{pid}").exists()}


async def test_the_sample_is_shown_hop_by_hop_and_ends_with_0(tmp_path: Path) -> None:
    flags = ("dev", "--ephemeral", "--sample", "--once")
    done = await ntbridge(*flags, cwd=tmp_path, env={"TMPDIR": str(tmp_path)})
    assert done.code == 0, done.err
    hops = re.findall(r"^ +\d+\.\d ms +(\w+) +(\S+)", done.out, re.MULTILINE)
    assert [hop for hop, _ in hops] == [
        "published",
        "recorded",
        "started",
        *["result"] * 5,
        "stored",
    ]
    assert hops[0][1] == "events.code-generation.requested"
    assert hops[-2][1] == "results.code-generation.completed"
    assert entries(tmp_path) == []


@pytest.mark.parametrize(
    ("route", "reason"),
    [
        ("from: events.other", "no route matched the sample event"),
        (
            "from: events.code-generation.requested, id: data.nothing",
            "the sample event started no workflow: mine dead ('data.nothing' failed",
        ),
    ],
)
async def test_a_sample_without_a_result_ends_with_the_reason(
    tmp_path: Path, route: str, reason: str
) -> None:
    where, _, workflow_id = route.partition(", id: ")
    start = {"workflow": "SomeWorkflow", "task_queue": "qagent"}
    start |= {"id": workflow_id} if workflow_id else {}
    (tmp_path / "routes.yaml").write_text(
        f"routes: [{{name: mine, {where}, start: {json.dumps(start)}}}]"
    )
    flags = ("dev", "--ephemeral", "--sample", "--once")
    done = await ntbridge(*flags, cwd=tmp_path, env={"TMPDIR": str(tmp_path)})
    assert done.code == 1
    assert reason in done.err


async def test_everything_it_names_is_there(dev: Dev) -> None:
    said = dev.output()
    found = dev.addresses
    for address in (
        *(found.nats_url, found.temporal_address, found.temporal_ui_url),
        without_secrets(found.database_url, keep_user=True),
        *found.pages.values(),
    ):
        assert address in said
    password = urlsplit(found.database_url).password
    assert password
    assert password not in said
    async with httpx.AsyncClient() as client:
        answer = await client.get(found.temporal_ui_url, follow_redirects=True)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    done = await ntbridge("doctor", "-o", "json", cwd=dev.folder)
    versions = {row["check"]: row["detail"] for row in json.loads(done.out)}
    for server in ("nats", "temporal", "postgres"):
        assert re.search(r"\d+\.\d+", versions[server]), versions[server]


async def test_a_wrong_command_line_is_told(tmp_path: Path) -> None:
    assert (await ntbridge("dev", "--once", cwd=tmp_path)).code == 2
    (tmp_path / "routes.yaml").write_text("routes: [{name: X}]")
    done = await ntbridge("dev", cwd=tmp_path)
    assert done.code == 3
    assert "route 'X'" in done.err
    assert not (tmp_path / ".ntbridge").exists()


async def test_what_is_exported_reaches_no_part_of_it(dev: Dev) -> None:
    assert alive(dev.addresses) == PARTS
    for name in PARTS - {"dev"}:
        pid = dev.addresses.pids[name]
        environ = await asyncio.to_thread(Path(f"/proc/{pid}/environ").read_bytes)
        assert b"nowhere.invalid" not in environ
        assert b"elsewhere" not in environ
    client = await nats.connect(dev.addresses.nats_url)
    names = {info.config.name for info in await client.jetstream().streams_info()}
    await client.close()
    assert names == {"EVENTS", "RESULTS", "DEADLETTERS", "REPLAY"}


async def killed(child: Dev) -> None:
    parts = child.addresses
    await child.kill()
    await eventually(lambda: not alive(parts), within=30, what="the end of every part")


@asynccontextmanager
async def started(child: Dev) -> AsyncIterator[None]:
    """Run it; afterwards nothing of it is left, and it has nothing to complain about."""
    await child.start()
    try:
        yield
        parts = child.addresses
    finally:
        await child.stop()
    assert alive(parts) == set()
    assert "Traceback" not in child.output()


async def test_killed_it_leaves_nothing_running_and_goes_on_where_it_was(
    tmp_path: Path,
) -> None:
    child = Dev(tmp_path)
    publish = ("events", "publish", "--wait", *FLAGS, "--source", "/tests", "--id")

    async def tail_of(length: int) -> list[dict[str, Any]] | None:
        rows = (await ntbridge("events", "tail", "--no-follow", cwd=tmp_path)).rows
        return rows if len(rows) >= length else None

    async with started(child):
        first = await ntbridge(*publish, "one", cwd=tmp_path)
        assert first.code == 0, first.err
        before = await eventually(lambda: tail_of(8), what="the seal and the closure of a run")
        await killed(child)
        await child.start()
        again = await ntbridge(*publish, "one", cwd=tmp_path)
        other = await ntbridge(*publish, "two", cwd=tmp_path)
        assert (again.code, again.out) == (0, first.out)
        assert other.code == 0
        rows = await eventually(lambda: tail_of(16), what="the other run's")
    assert rows[:8] == before
    assert len(rows) == 16
    assert rows[8]["id"] == "two"


async def test_after_the_sample_it_shows_events_as_they_pass_until_ctrl_c(
    tmp_path: Path,
) -> None:
    child = Dev(tmp_path, "--sample")
    await child.start()
    try:
        await eventually(lambda: " stored " in child.output(), within=60, what="the sample")
        published = await ntbridge("events", "publish", *FLAGS, cwd=tmp_path)
        end = rf"← results.code-generation.completed .*{published.out.strip()}"
        await eventually(lambda: re.search(end, child.output()), within=60, what="another run")
        parts = child.addresses
        os.kill(child.pid, signal.SIGINT)
        assert await asyncio.wait_for(child.exited(), 60) == 0
        assert child.output().rstrip().endswith("ntbridge: stopped")
        assert alive(parts) == set()
    finally:
        await child.stop()


@pytest.mark.torture
async def test_killed_in_the_middle_of_a_run_it_brings_that_to_its_end(tmp_path: Path) -> None:
    child = Dev(tmp_path)
    async with started(child):
        published = await ntbridge("events", "publish", *FLAGS, cwd=tmp_path)
        await killed(child)
        await child.start()
        # Temporal gives the old worker's share to the new one once its heartbeat is missed.
        watch = ("results", "watch", "--correlation", published.out.strip(), "--since", "1h")
        async with following(*watch, cwd=tmp_path) as results:
            rows = [await results.row() for _ in range(5)]
            assert (await results.interrupt()).code == 130
    assert rows[-1]["type"] == "io.quantum-suite.code-generation.completed.v1"
    assert len({row["id"] for row in rows}) == 5


async def test_a_part_that_dies_stops_the_whole_with_its_last_lines(tmp_path: Path) -> None:
    child = Dev(tmp_path, "--ephemeral", env={"TMPDIR": str(tmp_path)})
    child.command = replace(child.command, ready=None)
    await child.start()
    try:
        await eventually(lambda: "running; events are shown" in child.output(), within=60)
        (state,) = entries(tmp_path, "ntbridge-*")
        addresses = Addresses(**json.loads((state / "stack.json").read_text()))
        os.kill(addresses.pids["worker"], signal.SIGKILL)
        assert await asyncio.wait_for(child.exited(), 60) == 1
        said = child.output()
        assert "worker died: worker was ended by SIGKILL. Its last log lines" in said
        assert "worker ready" in said
        assert alive(addresses) == set()
        assert entries(tmp_path, "ntbridge-*") == []
    finally:
        await child.stop()
