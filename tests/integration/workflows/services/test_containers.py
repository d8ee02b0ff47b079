"""Releases in containers, with a real podman: the same behaviour as processes."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from eventstore.database import Database
from tests.integration.workflows.services.test_running import listener_on
from tests.integration.workflows.services.world import UNWELL, World, priced
from tests.support.own_podman import PROGRAM, OwnPodman, own_podman
from tests.support.services import ending_services
from tests.support.waiting import eventually
from workflows.adapters.services.runner import ProcessRunner
from workflows.errors import DeploymentUnhealthyError

pytestmark = [
    pytest.mark.torture,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        PROGRAM is None or os.geteuid() != 0, reason="podman is not installed, or not for root"
    ),
]


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnPodman]:
    with own_podman(tmp_path_factory.mktemp("podman")) as made:
        yield made


async def test_containers_follow_one_another_and_are_rolled_back(
    database: Database, tmp_path: Path, podman: OwnPodman
) -> None:
    plain = World(database, tmp_path)
    settings = replace(
        plain.settings, engine=podman.engine, image=podman.image, health_seconds=120
    )
    world = World(database, tmp_path, runner=ProcessRunner(settings))
    check = "import service\nassert service.call('price') < 3\n"
    async with ending_services(database.dsn):
        first = await world.deploy("r1", {**priced(1), "smoke.py": check}, "smoke.py")
        assert (first.serves, await world.price()) == ("functions", 1)
        await world.deploy("r2", priced(2))
        assert await world.price() == 2
        with pytest.raises(DeploymentUnhealthyError, match="no database"):
            await world.deploy("r3", UNWELL)
        assert await world.roll_back("r2") == (True, "r1")
        assert await world.price() == 1

        async def is_one() -> bool:
            return len(podman.run("ps", "--quiet").split()) == 1

        await eventually(is_one, within=60)

        control = await world.control()
        assert control is not None
        os.kill(listener_on(control.port), signal.SIGKILL)
        await eventually(lambda: not _is_taken(control.port), within=60)
        await world.keeper.look()
        assert await world.price() == 1
        await eventually(
            is_one, within=60, what="the container of the killed supervisor is gone"
        )
        assert await world.roll_back("r1") == (True, None)
        await eventually(lambda: podman.run("ps", "--quiet").split() == [], within=60)


def _is_taken(port: int) -> bool:
    try:
        listener_on(port)
    except ValueError:
        return False
    return True
