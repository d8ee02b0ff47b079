"""The whole stack as a process, with a small program in the place of daemon and worker."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.devstack.addresses import STACK_FILE, Addresses, find_stack, read_stack
from bridge.devstack.child import Child, Command
from bridge.devstack.environment import scrubbed
from tests.support.servers import ROOT
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow

# A stack as the command line would make it: two programs, a preparation, a follower.
STACK = """
    import asyncio, os, sys
    from pathlib import Path
    from bridge.devstack.stack import Program, StackOptions, run_stack, says

    PROGRAM = "import os, time; print('up', os.environ['NATS_URL'], flush=True); " + sys.argv[2]

    async def prepare(addresses):
        print("prepare", sorted(addresses.pids), flush=True)

    async def follow(addresses):
        print("follow", sorted(addresses.pids), flush=True)
        {follow}

    options = StackOptions(
        state=Path(sys.argv[1]), progress=lambda line: print(line, flush=True), standard_ports=False
    )
    programs = [
        Program(name=name, argv=[sys.executable, "-c", PROGRAM], ready=says("up"), env={{"EXTRA": name}})
        for name in ("daemon", "worker")
    ]
    asyncio.run(run_stack(options, prepare=prepare, programs=programs, follow=follow))
"""
STAY = "await asyncio.Event().wait()"
SLEEP = "time.sleep(3600)"


class Stack(Child):
    """A process that runs a stack over a state folder."""

    def __init__(
        self,
        tmp_path: Path,
        *,
        follow: str = STAY,
        program: str = SLEEP,
        env: Mapping[str, str] | None = None,
        **changes: Any,
    ) -> None:
        self.state = tmp_path / ".ntbridge"
        code = textwrap.dedent(STACK).format(follow=follow)
        command = Command(
            name="stack",
            argv=[sys.executable, "-c", code, str(self.state), program],
            env={**scrubbed(), "PYTHONPATH": str(ROOT), **(env or {})},
            log=tmp_path / "stack.log",
            ready=self._announced,
            stop_signal=signal.SIGINT,
        )
        super().__init__(replace(command, **changes))

    @property
    def addresses(self) -> Addresses:
        addresses = read_stack(self.state)
        assert addresses is not None
        return addresses

    async def _announced(self, _child: Child) -> bool:
        return read_stack(self.state) is not None


def alive(addresses: Addresses) -> list[str]:
    return [name for name, pid in addresses.pids.items() if Path(f"/proc/{pid}").exists()]


@pytest.fixture
async def stack_process(tmp_path: Path) -> AsyncIterator[Stack]:
    stack = Stack(tmp_path)
    await stack.start()
    yield stack
    await stack.stop()


async def test_it_says_what_it_does_and_stops_in_reverse(stack_process: Stack) -> None:
    addresses = stack_process.addresses
    assert set(alive(addresses)) == {
        *("dev", "nats-server", "temporal", "postgres", "daemon", "worker")
    }
    assert find_stack(stack_process.state.parent) == addresses
    await eventually(lambda: "follow" in stack_process.output())
    await stack_process.stop()
    assert alive(addresses) == []
    assert not (stack_process.state / STACK_FILE).exists()
    said = (stack_process.state.parent / "stack.log").read_text()
    expected = [
        "starting nats-server",
        "prepare ['dev', 'nats-server', 'postgres', 'temporal']",
        "starting daemon",
        "starting worker",
        "ready; addresses in",
        "follow ['daemon', 'dev', 'nats-server', 'postgres', 'temporal', 'worker']",
        "\nstopping\n",
        "\nstopped\n",
    ]
    at = [said.index(line) for line in expected]
    assert at == sorted(at)


async def test_a_killed_stack_leaves_no_process_and_does_not_hinder_the_next(
    stack_process: Stack,
) -> None:
    first = stack_process.addresses
    await stack_process.kill()
    await eventually(lambda: not alive(first), what="the end of all children")
    assert (stack_process.state / STACK_FILE).exists()
    assert find_stack(stack_process.state.parent) is None
    await stack_process.start()
    second = stack_process.addresses
    assert second.database_url == first.database_url
    assert second.nats_url == first.nats_url


async def test_a_second_stack_over_one_folder_is_refused(
    stack_process: Stack, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "bridge.devstack", "--state", str(stack_process.state)]
    done = subprocess.run(  # noqa: ASYNC221 - it ends at once
        command, cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stdout == ""
    pid = stack_process.addresses.pids["dev"]
    assert f"A stack already uses {tmp_path / '.ntbridge'} (process {pid})" in done.stderr
    assert len(alive(stack_process.addresses)) == 6


async def test_exported_settings_reach_nobody(tmp_path: Path) -> None:
    foreign = ["DATABASE_URL", "NATS_URL", "TEMPORAL_ADDRESS", "PGPORT", "PGSSLMODE"]
    stack = Stack(
        tmp_path, env=dict.fromkeys([*foreign, "NTBRIDGE_NATS__URL"], "nowhere.invalid")
    )
    await stack.start()
    try:
        for name, pid in stack.addresses.pids.items():
            if name != "dev":
                assert b"nowhere.invalid" not in Path(f"/proc/{pid}/environ").read_bytes()  # noqa: ASYNC240
        daemon = Path(f"/proc/{stack.addresses.pids['daemon']}/environ").read_bytes()  # noqa: ASYNC240
        assert f"NATS_URL={stack.addresses.nats_url}".encode() in daemon
        assert b"EXTRA=daemon" in daemon
    finally:
        await stack.stop()


async def test_a_program_that_dies_stops_the_stack_with_its_last_lines(tmp_path: Path) -> None:
    program = "time.sleep(0.5); print('out of luck', flush=True); raise SystemExit(7)"
    stack = Stack(tmp_path, program=program)
    await stack.start()
    addresses = stack.addresses
    assert await stack.exited() == 1
    assert alive(addresses) == []
    said = stack.output()
    assert "daemon died: daemon ended with exit code 7. Its last log lines" in said
    assert "  out of luck" in said


async def test_a_follower_that_returns_ends_the_stack(tmp_path: Path) -> None:
    stack = Stack(tmp_path, follow="return", ready=None)
    await stack.start()
    assert await stack.exited() == 0
    assert not (stack.state / STACK_FILE).exists()


async def test_what_a_follower_raises_comes_out(tmp_path: Path) -> None:
    stack = Stack(tmp_path, follow="raise LookupError('no result event')", ready=None)
    await stack.start()
    assert await stack.exited() == 1
    assert "LookupError: no result event" in stack.output()


async def test_the_servers_alone_stop_when_their_parent_is_killed(tmp_path: Path) -> None:
    code = (
        "import os, subprocess, sys; subprocess.run([sys.executable, '-m', 'bridge.devstack', "
        "'--any-ports', '--parent', str(os.getpid())])"
    )
    parent = Child(
        Command(
            name="parent",
            argv=[sys.executable, "-c", code],
            env={**scrubbed(), "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path)},
            log=tmp_path / "parent.log",
        )
    )
    await parent.start()
    line = await eventually(
        lambda: next((x for x in parent.output().splitlines() if x.startswith("{")), None)
    )
    addresses = Addresses(**json.loads(line))
    os.kill(parent.pid, signal.SIGKILL)
    await eventually(lambda: not alive(addresses), what="the end of the servers")
    await eventually(
        lambda: not list(tmp_path.glob("ntbridge-*")), what="the temporary folder removed"
    )
    await parent.kill()
