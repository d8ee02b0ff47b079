"""A supervisor that no worker uses ends, and one that is used stays."""

import asyncio
import socket
import sys

import pytest

from bridge.devstack.environment import scrubbed
from tests.support.waiting import eventually
from workflows.adapters.services.control import Control
from workflows.adapters.services.orders import SupervisorOrders

HOST = "127.0.0.1"
FILES = {"shop.py": "def price() -> int:\n    return 1\n"}


def free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


async def started(unused_seconds: float) -> Control:
    """A supervisor as a worker starts it, and then dies."""
    control = Control(
        machine="here",
        address=HOST,
        host=HOST,
        port=free_port(),
        control_port=free_port(),
        token="token",
    )
    orders = SupervisorOrders(
        environment="staging",
        service="shop",
        host=HOST,
        port=control.port,
        control_port=control.control_port,
        token=control.token,
        containment="none",
        health_seconds=30,
        memory=2**28,
        unused_seconds=unused_seconds,
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "workflows.adapters.services.supervisor"),
        stdin=asyncio.subprocess.PIPE,
        env=scrubbed(),
        start_new_session=True,
    )
    await process.communicate(orders.model_dump_json().encode() + b"\n")
    await eventually(control.answers, within=60)
    return control


async def is_gone(control: Control) -> None:
    async def does_not_answer() -> bool:
        return not await control.answers()

    await eventually(does_not_answer, within=60)


@pytest.mark.slow
async def test_it_ends_when_it_gets_no_release() -> None:
    await is_gone(await started(unused_seconds=0.5))


@pytest.mark.slow
async def test_it_stays_once_it_got_a_release() -> None:
    control = await started(unused_seconds=5)
    try:
        answer = await control.ask("start", {"release": "r1", "files": FILES})
        assert "healthy" in answer
        # Longer than it would have waited.
        await asyncio.sleep(6)
        assert await control.answers()
    finally:
        await control.ask("end", {})
    await is_gone(control)
