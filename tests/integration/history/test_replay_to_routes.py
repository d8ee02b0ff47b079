"""A replay to routes: harmless by default, a new generation when asked, once for a new route."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from nats.aio.client import Client

from eventstore.database import Database
from tests.support import checker, effects, publishing, targets
from tests.support.cli import NTBRIDGE, Done, environment, ntbridge
from tests.support.daemon import Bridge, running
from tests.support.waiting import eventually

pytestmark = pytest.mark.slow


class Scene:
    """A bridge with two routes for the same events: one starts a run, one signals a target."""

    def __init__(self, bridge: Bridge, database: Database, count: int) -> None:
        self.bridge = bridge
        self.database = database
        self.count = count
        self.target = f"{bridge.prefix}-target"
        self.noting = f"{bridge.prefix}-noting"
        self.third = f"{bridge.prefix}-third"
        self.within = 60.0 + 3 * count
        """Seconds for any wait: Temporal alone limits how fast runs are started and end."""

    def add_route(self, **route: Any) -> None:
        """Add a route for the events to the file."""
        file: Path = self.bridge.routes_file
        routes = yaml.safe_load(file.read_text())["routes"]
        routes.append({"from": "events.light.requested", **route})
        file.write_text(yaml.safe_dump({"routes": routes}))

    def set_up(self) -> None:
        """Add the route that signals."""
        signal = {"signal": "note", "workflow_id": f'"{self.target}"'}
        self.add_route(name=self.noting, only=[self.target], signal=signal)

    async def replay(self, *flags: str, code: int = 0) -> Done:
        """Replay all requests to routes."""
        received = ("--where", "event.topic.startsWith('events.')")
        done = await ntbridge(
            *("replay", "--to-routes", *flags, *received),
            cwd=self.bridge.folder,
            env=self.bridge.environment,
            within=self.within,
        )
        assert done.code == code, done.err
        return done

    async def dispatched(self) -> Counter[tuple[str, int]]:
        """How many dispatches there are by route and generation, once all are done."""

        async def look() -> Counter[tuple[str, int]]:
            rows = await checker.dispatches(self.bridge)
            states = Counter(row["state"] for row in rows)
            assert states.keys() <= {"done"}, states
            return Counter((row["route"], row["generation"]) for row in rows)

        return await eventually(look, within=self.within)

    async def runs(self, route: str, count: int) -> None:
        """Wait until Temporal knows so many runs of a route, and see that each ran for itself."""
        temporal = await checker.connected(self.bridge)

        async def look() -> bool:
            listed = await temporal.count_workflows(f"BridgeRoute = '{route}'")
            assert listed.count == count, f"{listed.count} runs"
            return True

        await eventually(look, within=self.within)
        found = await checker.runs(self.bridge, route)
        assert len({run["run_id"] for run in found}) == len(found) == count

    async def signals(self) -> int:
        """How many signals the target has received."""
        temporal = await checker.connected(self.bridge)
        return len(await effects.signalled(temporal, [self.target]))


async def killed_when(scene: Scene, *flags: str, probe: Callable[[], Awaitable[bool]]) -> None:
    process = await asyncio.create_subprocess_exec(
        *NTBRIDGE,
        *flags,
        cwd=scene.bridge.folder,
        env=environment(scene.bridge.environment),
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await eventually(probe, within=scene.within)
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize(
    "count",
    [20, pytest.param(1000, marks=[pytest.mark.torture, pytest.mark.timeout(3600)])],
)
async def test_what_was_dispatched_is_left_alone_until_a_new_generation_is_asked_for(
    bridge: Bridge, client: Client, database: Database, count: int
) -> None:
    scene = Scene(bridge, database, count)
    scene.set_up()
    light, noting = bridge.light_route, scene.noting
    temporal = await checker.connected(bridge)
    queue = f"{bridge.task_queue}-targets"
    await temporal.start_workflow("Target", id=scene.target, task_queue=queue)
    async with (
        targets.worker(temporal, queue),
        running(bridge.light_worker(), bridge.daemon()),
    ):
        for each in publishing.light_events(count):
            await publishing.structured(client, bridge, each)
        await checker.settled(bridge, count, within=scene.within)
        assert await scene.dispatched() == {(light, 1): count, (noting, 1): count}
        await scene.runs(light, count)

        # Handled events: nothing is planned, no run, no signal.
        idle = await scene.replay("--yes")
        assert f"{2 * count} dispatches were planned before" in idle.err
        assert await scene.dispatched() == {(light, 1): count, (noting, 1): count}

        # A new route is planned once each; the others are left alone.
        start = {"workflow": "LightWorkflow", "task_queue": bridge.task_queue}
        scene.add_route(name=scene.third, start=start)
        tried = await scene.replay("--dry-run")
        assert f"{count} to be planned by route {scene.third}" in tried.err
        for _ in range(2):
            await scene.replay("--yes")
        first = {(light, 1): count, (noting, 1): count, (scene.third, 1): count}
        assert await scene.dispatched() == first
        await scene.runs(scene.third, count)
        assert await scene.signals() == count

        # Again, on purpose: asked for, then new runs, and signals received again.
        refused = await scene.replay("--again", code=2)
        assert "AGAIN: as new generations, with new effects" in refused.err
        await scene.replay(light, noting, "--again", "--yes")
        second = {**first, (light, 2): count, (noting, 2): count}
        assert await scene.dispatched() == second
        await scene.runs(light, 2 * count)
        assert await scene.signals() == 2 * count

        # Killed in the middle and resumed: a third generation, once each.
        async def some() -> bool:
            made = await database.fetchval(
                "select count(*) from dispatches where generation = 3"
            )
            return bool(made >= count // 4)

        paced = ("--again", "--yes", "--rate", str(count))
        await killed_when(scene, "replay", "--to-routes", light, *paced, probe=some)
        replay = await database.fetchval("select id from replays where state = 'open'")
        assert replay is not None
        env = bridge.environment
        resume = ("replay", "--resume", str(replay))
        done = await ntbridge(*resume, cwd=bridge.folder, env=env, within=scene.within)
        assert done.code == 0, done.err
        assert await scene.dispatched() == {**second, (light, 3): count}
        named = await database.fetchval(
            "select count(*) from dispatches where replay = $1 and generation = 3", replay
        )
        assert named == count
    await temporal.get_workflow_handle(scene.target).terminate()
