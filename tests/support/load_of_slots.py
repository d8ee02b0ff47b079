"""Events whose runs need a slot of their key, and the judge of what came of them.

What happened is read from Temporal: when each run began and ended, by its server's clock. Two runs of a key
that were open at a time are a fault, whatever the tables say.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import count, pairwise
from typing import Any

import nats
import yaml
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client, WorkflowExecution

from bridge.dispatch.partitions import PARTITIONS, partition_of
from bridge.errors import BridgeError
from bridge.flow.plan import WhenFull
from tests.support import checker, publishing
from tests.support.daemon import Bridge
from tests.support.waiting import eventually

TYPE = "io.quantum-suite.slots.asked.v1"


@dataclass
class SlotLoad:
    """Events of some keys, in turns.

    With ``in_first``, all are in partitions that the first of two or three daemons keeps.
    """

    bridge: Bridge
    client: Client
    when_full: WhenFull = "queue"
    keys: int = 2
    each: int = 4
    in_first: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.bridge = replace(self.bridge, closures=True)

    @property
    def route(self) -> str:
        """The route's name."""
        return f"{self.bridge.prefix}-slots"

    @property
    def _is_cancelled(self) -> bool:
        return self.when_full == "cancel_running"

    async def set_up(self) -> None:
        """Write the route."""

        async def prepared() -> bool:
            await self.bridge.set_up()
            return True

        # Many cells at once register search attributes on a server that has just started.
        await eventually(
            prepared, within=120, forgive=(BridgeError,), what="servers are prepared"
        )
        route = {
            "name": self.route,
            "from": "events.slots.asked",
            "type": TYPE,
            "key": "data.lane",
            "concurrency": {"key": "data.key", "when_full": self.when_full},
            "start": {"workflow": "Brief", "task_queue": self.bridge.task_queue},
        }
        self.bridge.routes_file.write_text(yaml.safe_dump({"routes": [route]}))
        self.events = [
            publishing.event(
                TYPE,
                {
                    "key": str(key),
                    "number": number,
                    "lane": self._lane(key, number),
                    "waits": self._is_cancelled,
                },
                id=f"{key}-{number}",
            )
            for number in range(self.each)
            for key in range(self.keys)
        ]

    def _lane(self, key: int, number: int) -> str:
        """A lane of the event's own."""
        names = (f"{key}-{number}-{salt}" for salt in count())
        # A daemon that is joined by others gives its last partitions away.
        most = PARTITIONS // 4 if self.in_first else PARTITIONS
        return next(name for name in names if partition_of(name) < most)

    async def publish(self) -> None:
        """Publish all events: the first of each key, and the others when these are recorded.

        With cancel_running the others come when these have runs: otherwise no run would be cancelled.
        """
        client = await nats.connect(self.bridge.addresses.nats_url)
        try:
            for number, event in enumerate(self.events):
                if number == self.keys:
                    await eventually(self._begun, within=120, what="the first events")
                await publishing.structured(client, self.bridge, event)
        finally:
            await client.close()

    async def _begun(self) -> bool:
        if self._is_cancelled:
            return len(await self._runs()) >= self.keys
        return len(await checker.deliveries(self.bridge)) >= self.keys

    async def done(self) -> None:
        """Wait until every event is accounted for, and no slot is wanted."""
        await checker.settled(self.bridge, len(self.events), within=180)

        async def quiet() -> bool:
            left = self.keys if self._is_cancelled else 0
            held = await checker.rows(
                self.bridge, "select * from slots where cancel_for is null"
            )
            wanted = await checker.rows(
                self.bridge, "select * from slots where cancel_for is not null"
            )
            assert (len(held), len(wanted)) == (left, 0)
            return True

        await eventually(quiet, within=120, what="no run is left")

    async def judge(self) -> None:
        """Hold Temporal's runs against what was published."""
        rows = await checker.dispatches(self.bridge)
        ran = {row["run_id"]: row for row in rows if row["state"] == "done"}
        skipped = [row for row in rows if row["state"] == "skipped"]
        assert len(ran) + len(skipped) == len(self.events), Counter(
            row["state"] for row in rows
        )
        if self.when_full == "queue":
            assert not skipped
        assert all(row["error"] for row in skipped)

        async def seen() -> list[WorkflowExecution]:
            found = await self._runs()
            assert {run.run_id for run in found} == set(ran)
            return found

        runs = await eventually(seen, within=60, what="the runs of the table, and no others")
        for key in range(self.keys):
            await self._judge_key(
                [run for run in runs if self._key_of(run, ran) == str(key)], ran
            )

    async def _judge_key(self, runs: list[WorkflowExecution], ran: dict[str, Any]) -> None:
        runs.sort(key=lambda run: run.start_time)
        positions = [ran[run.run_id]["position"] for run in runs]
        assert positions == sorted(positions), "out of order"
        for before, after in pairwise(runs):
            assert before.close_time is not None, f"{before.id} is open beside {after.id}"
            assert before.close_time <= after.start_time, f"{before.id} ran beside {after.id}"
        if self._is_cancelled:
            for run in runs[:-1]:
                assert await self._cancellations(run) == 1
            assert await self._cancellations(runs[-1]) == 0
            assert runs[-1].close_time is None

    async def assert_waits_for_the_run(self) -> None:
        """Of one key with two events, whose first run ignores its cancellation: the second waits for its end."""

        async def waits() -> bool:
            found = await checker.rows(
                self.bridge,
                "select state, dispatch_slot(d) as slot from dispatches d order by position",
            )
            assert len(found) == 2
            second = found[1]
            assert second["state"] == "queued"
            assert "was requested" in second["slot"]
            return True

        await eventually(waits, within=60, what="the cancellation is requested")
        (run,) = await self._runs()
        await eventually(lambda: self._ignored(run), within=60, what="the run ignores it")
        await self.client.get_workflow_handle(run.id, run_id=run.run_id).terminate()
        await eventually(lambda: self._ran(2), within=60, what="the second run")
        await self.done()
        await self.judge()

    async def _ignored(self, run: WorkflowExecution) -> bool:
        # One more workflow task than that of the start: the worker has seen the cancellation.
        history = await self.client.get_workflow_handle(
            run.id, run_id=run.run_id
        ).fetch_history()
        done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
        return sum(each.event_type == done for each in history.events) >= 2

    async def _ran(self, number: int) -> bool:
        return len(await self._runs()) == number

    def _key_of(self, run: WorkflowExecution, ran: dict[str, Any]) -> str:
        return str(ran[run.run_id]["slot_key"])

    async def _cancellations(self, run: WorkflowExecution) -> int:
        history = await self.client.get_workflow_handle(
            run.id, run_id=run.run_id
        ).fetch_history()
        wanted = EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED
        return sum(each.event_type == wanted for each in history.events)

    async def _runs(self) -> list[WorkflowExecution]:
        query = f"BridgeRoute = '{self.route}'"
        return [run async for run in self.client.list_workflows(query)]
