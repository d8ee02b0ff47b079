"""Releases that run: they answer HTTP, follow one another, are rolled back, and are kept running."""

import asyncio
import itertools
import os
import signal
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from eventstore.database import Database
from tests.integration.workflows.services.world import (
    CAGED,
    UNWELL,
    World,
    priced,
)
from tests.support.services import ending_services
from tests.support.waiting import eventually
from workflows.adapters.services.keeper import ServiceKeeper
from workflows.adapters.services.runner import ProcessRunner
from workflows.errors import DeploymentUnhealthyError, InvalidSettingError, WrongMachineError

pytestmark = pytest.mark.slow


async def test_a_service_answers_through_two_releases_and_a_rollback(world: World) -> None:
    first = await world.deploy("r1", priced(1))
    assert (first.serves, first.previous) == ("functions", None)
    assert first.address is not None
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        listed = (await client.get(first.address)).json()
        assert listed == {"functions": {"price": "price() -> int"}}
        answers: list[int] = []
        done = asyncio.Event()

        async def use() -> None:
            while not done.is_set():
                response = await client.post(f"{first.address}/price")
                answers.append(response.json()["result"])
                await asyncio.sleep(0.01)

        using = asyncio.create_task(use())
        await eventually(lambda: 1 in answers)
        second = await world.deploy("r2", priced(2))
        assert second.address == first.address, "the address stays"
        await eventually(lambda: answers[-1] == 2)
        with pytest.raises(
            DeploymentUnhealthyError, match=r"(?s)r2 stays in force.*no database"
        ):
            await world.deploy("r3", UNWELL)
        assert await world.roll_back("r2") == (True, "r1")
        await eventually(lambda: answers[-1] == 1)
        done.set()
        await using
    changes = [now for before, now in itertools.pairwise(answers) if before != now]
    assert changes == [2, 1], "no request failed, and none reached a bad release"


async def test_a_smoke_check_talks_to_the_candidate_before_clients_do(
    database: Database, tmp_path: Path
) -> None:
    check = (
        "import service\n"
        "assert service.get('/health').status == 200\n"
        "assert service.call('price') == 5, service.call('price')\n"
        "assert service.post('/nothing').status == 404\n"
    )
    async with ending_services(database.dsn):
        world = World(database, tmp_path, checks=CAGED, containment="required")
        await world.deploy("r1", {**priced(5), "smoke.py": check}, "smoke.py")
        verified = await world.deployer.verify(world.ref("r1"))
        assert (verified.passed, verified.check) == (True, "smoke.py")
        with pytest.raises(DeploymentUnhealthyError, match="AssertionError: 6"):
            await world.deploy("r2", {**priced(6), "smoke.py": check}, "smoke.py")
        assert await world.price() == 5


async def test_bodies_and_errors_pass_through(world: World) -> None:
    code = "def total(numbers, *, times=1):\n    return sum(numbers) * times\n"
    address = (await world.deploy("r1", {"shop.py": code})).address
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:

        async def post(**given: Any) -> tuple[int, Any]:
            response = await client.post(f"{address}/total", **given)
            return response.status_code, response.json()

        assert await post(json=[[1, 2]]) == (200, {"result": 3})
        assert await post(json={"numbers": [1, 2], "times": 2}) == (200, {"result": 6})
        assert (await post(json=[list(range(100_000))]))[0] == 200
        assert (await post(json=["x"]))[0] == 500
        assert (await post(json=[1, 2, 3]))[0] == 400
        assert (await post(content=b"{"))[0] == 400
        assert (await post(content=b" " * 2**21))[0] == 413

        async def chunks() -> AsyncIterator[bytes]:
            yield b"[[1]]"

        assert (await post(content=chunks()))[0] == 413
        assert await post(json=[[4]]) == (200, {"result": 4})
        assert (await client.get(f"{address}/nowhere")).status_code == 404


async def test_an_application_of_its_own_is_served_as_it_is(world: World) -> None:
    app = (
        "from starlette.applications import Starlette\n"
        "from starlette.responses import PlainTextResponse\n"
        "from starlette.routing import Route\n"
        "async def hello(request): return PlainTextResponse('hello ' + request.query_params['to'])\n"
        "async def health(request): return PlainTextResponse('ok')\n"
        "app = Starlette(routes=[Route('/hello', hello, methods=['POST']), Route('/health', health)])\n"
    )
    deployed = await world.deploy("r1", {"web.py": app})
    assert deployed.serves == "app"
    answer = await world.answer("/hello?to=you%20there")
    assert answer is not None
    assert (answer.status_code, answer.text) == (200, "hello you there")


async def test_a_contained_service_reaches_nothing(database: Database, tmp_path: Path) -> None:
    code = (
        "import socket, os\n"
        "def connect() -> str:\n"
        "    socket.create_connection(('127.0.0.1', 1))\n"
        "def passwords() -> str:\n"
        "    return open('/etc/passwd').read()\n"
    )
    async with ending_services(database.dsn):
        world = World(database, tmp_path, containment="required", checks=CAGED)
        await world.deploy("r1", {"shop.py": code})
        refused = await world.answer("/connect")
        assert refused is not None
        assert refused.status_code == 500
        assert "PermissionError" in refused.text
        hidden = await world.answer("/passwords")
        assert hidden is not None
        assert "FileNotFoundError" in hidden.text


def listener_on(port: int) -> int:
    """The process that listens on a port."""
    [found] = {
        each.pid
        for each in psutil.net_connections("tcp4")
        if each.laddr == ("127.0.0.1", port) and each.status == "LISTEN"
    }
    assert found is not None
    return found


async def test_what_ends_is_started_again(world: World) -> None:
    await world.deploy("r1", {"shop.py": "import os\ndef price():\n    return os.getpid()\n"})
    first = await world.price()
    control = await world.control()
    assert first is not None
    assert control is not None
    supervisor = listener_on(control.port)
    for child in psutil.Process(supervisor).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # they end with one another
            child.kill()

    async def is_back() -> bool:
        answer = await world.answer()
        return answer is not None and answer.status_code == 200

    await eventually(is_back, within=60)

    os.kill(supervisor, signal.SIGKILL)
    await eventually(lambda: not psutil.pid_exists(supervisor), within=60)
    assert await world.price() is None
    await world.keeper.look()
    assert await is_back()
    again = await world.control()
    assert again is not None
    assert again.port == control.port, "clients find it where it was"


async def test_a_supervisor_that_is_busy_is_not_replaced(world: World) -> None:
    await world.deploy("r1", priced(1))
    control = await world.control()
    assert control is not None
    supervisor = listener_on(control.port)
    os.kill(supervisor, signal.SIGSTOP)
    try:
        assert not await control.answers()
        deploying = asyncio.create_task(world.deploy("r2", priced(2)))
        done, _ = await asyncio.wait(
            {deploying}, timeout=8
        )  # longer than it waits for an answer
        assert not done
    finally:
        os.kill(supervisor, signal.SIGCONT)
    await deploying
    assert await world.control() == control
    assert (listener_on(control.port), await world.price()) == (supervisor, 2)


async def test_the_first_release_rolled_back_leaves_no_process(world: World) -> None:
    await world.deploy("r1")
    control = await world.control()
    assert control is not None
    assert await world.roll_back("r1") == (True, None)
    assert await world.control() is None

    async def is_gone() -> bool:
        return not await control.answers()

    await eventually(is_gone)
    assert await world.roll_back("r1") == (True, None)


async def test_a_service_can_end_with_its_worker(database: Database, tmp_path: Path) -> None:
    plain = World(database, tmp_path)
    runner = ProcessRunner(replace(plain.settings, outlives=False))
    world = World(database, tmp_path, runner=runner)
    async with ending_services(database.dsn):
        await world.deploy("r1", priced(1))
        assert await world.price() == 1
        await runner.stop()

        async def is_gone() -> bool:
            return await world.answer() is None

        await eventually(is_gone, within=60)


async def test_another_worker_of_the_machine_continues(
    world: World, database: Database, tmp_path: Path
) -> None:
    await world.deploy("r1", priced(1))
    other = World(database, tmp_path)
    await other.deploy("r2", priced(2))
    assert await world.price() == 2
    assert await world.roll_back("r2") == (True, "r1")
    assert await other.price() == 1


async def test_another_machine_is_refused_by_name(
    world: World, database: Database, tmp_path: Path
) -> None:
    await world.keeper.start()
    await world.keeper.stop()
    await world.deploy("r1")
    there = World(database, tmp_path, machine="there")
    with pytest.raises(WrongMachineError, match="runs on here, and this worker is on there"):
        await there.deploy("r2", priced(2))
    with pytest.raises(WrongMachineError, match="NTBRIDGE_WORKER_QINFRA__MACHINE=here"):
        await there.roll_back("r1")
    keeper = ServiceKeeper(database, there.deployer, "there", "127.0.0.1")
    with pytest.raises(InvalidSettingError, match="serves one machine, here, and this worker"):
        await keeper.start()
    assert await world.price() == 5


async def test_two_services_run_beside_each_other(
    world: World, database: Database, tmp_path: Path
) -> None:
    other = World(database, tmp_path, "billing")
    await asyncio.gather(world.deploy("r1", priced(1)), other.deploy("r1", priced(9)))
    assert (await world.price(), await other.price()) == (1, 9)
    await world.roll_back("r1")
    assert (await world.price(), await other.price()) == (None, 9)
