"""Load for tests that kill, freeze and cut off: signals in order to a few workflows.

Each workflow is a lane. What came of it is read from the workflows' histories: every event one
signal, in the order in which it was published.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import nats
import yaml
from nats.aio.client import Client as NatsClient
from temporalio.client import Client

from tests.support import checker, effects, publishing
from tests.support.daemon import Bridge
from tests.support.waiting import eventually

TYPE = "io.quantum-suite.lanes.asked.v1"


@dataclass
class Signals:
    """So many signals to so many workflows.

    Attributes:
        bridge: with servers of its own, or shared ones.
        temporal: a client that sees the real server, whatever the daemon sees.
        lanes: how many workflows.
        each: how many signals to each.
    """

    bridge: Bridge
    temporal: Client
    lanes: int = 6
    each: int = 10
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def route(self) -> str:
        """The route's name."""
        return f"{self.bridge.prefix}-lanes"

    @property
    def routes(self) -> set[str]:
        """The names of all routes that signal."""
        return {self.route}

    @property
    def targets(self) -> list[str]:
        """The workflows' ids."""
        return [f"{self.bridge.prefix}-{lane}" for lane in range(self.lanes)]

    async def set_up(self) -> None:
        """Write the route and start the workflows; nobody needs to serve them."""
        await self.bridge.set_up()
        route = {
            "name": self.route,
            "from": "events.lanes.asked",
            "signal": {"signal": "note", "workflow_id": "data.target"},
        }
        self.bridge.routes_file.write_text(yaml.safe_dump({"routes": [route]}))
        for target in self.targets:
            await self.temporal.start_workflow(
                "Target", id=target, task_queue=self.bridge.task_queue
            )
        self.events = [
            self.event(target, number) for number in range(self.each) for target in self.targets
        ]

    def event(self, target: str, number: int) -> dict[str, Any]:
        """One of the events: its id tells its place in the lane."""
        return publishing.event(
            TYPE, {"target": target}, id=f"{number:04}", source=f"/{target}"
        )

    async def publish(self, start: int = 0, stop: int | None = None) -> None:
        """Publish some or all, each until it is acknowledged."""
        client = await nats.connect(
            self.bridge.addresses.nats_url,
            reconnect_time_wait=0.1,
            max_reconnect_attempts=-1,
            error_cb=_expected,
        )
        try:
            await self.publish_with(client, start, stop)
        finally:
            await client.close()

    async def publish_with(
        self, client: NatsClient, start: int = 0, stop: int | None = None
    ) -> None:
        """Likewise, with a client that is there."""
        for event in self.events[start:stop]:
            await publishing.insistently(client, self.bridge, event)

    async def recorded(self, count: int) -> None:
        """Wait until so many events are in the store."""
        await self._counted("select count(*) from events", count)

    async def settled(self, count: int, within: float = 60) -> None:
        """Wait until so many dispatches are settled."""
        await self._counted(
            "select count(*) from dispatches where state = 'done'", count, within
        )

    async def assert_all_once(self, within: float = 60) -> None:
        """Wait for the last one; assert one signal an event, in order, and nothing else."""
        await self.settled(len(self.events), within)
        done = await effects.signalled(self.temporal, self.targets)
        assert Counter((effect.workflow_id, effect.event) for effect in done) == Counter(
            (event["data"]["target"], event["id"]) for event in self.events
        )
        assert {effect.route for effect in done} == self.routes
        for target in self.targets:
            mine = [effect for effect in done if effect.workflow_id == target]
            numbers = [effect.event for effect in sorted(mine, key=lambda each: each.at)]
            assert numbers == sorted(numbers), f"out of order: {numbers}"
        states = Counter(row["state"] for row in await checker.dispatches(self.bridge))
        assert states == {"done": len(self.events)}
        assert await checker.dead_letters(self.bridge) == []

    async def attempts(self) -> int:
        """How many attempts the dispatches took, all together."""
        ((count,),) = await checker.rows(
            self.bridge, "select coalesce(sum(attempts), 0) from dispatches"
        )
        return int(count)

    async def _counted(self, statement: str, count: int, within: float = 60) -> None:
        async def look() -> bool:
            ((found,),) = await checker.rows(self.bridge, statement)
            assert found >= count, f"{found} of {count}"
            return True

        await eventually(
            look, within=within, what=statement, forgive=(AssertionError, OSError, TimeoutError)
        )


async def _expected(_error: Exception) -> None:
    """A server that is away is no news here."""
    await asyncio.sleep(0)
