"""Load for routes with windows: every event goes into a batch, and into a debounced call.

What came of it is read from the workflows' histories and from the tables, which must account for every event.
"""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import asyncpg
import yaml
from temporalio.api.enums.v1 import EventType
from typing_extensions import override

from tests.support import checker
from tests.support.load_of_signals import Signals

_SETTLED = "select count(*) from dispatches where state in ('done', 'merged')"


@dataclass
class Windowed(Signals):
    """So many events for so many keys; each key has a workflow for batches, and one for debounced calls."""

    size: int = 2

    @property
    @override
    def routes(self) -> set[str]:
        return {f"{self.bridge.prefix}-batched", f"{self.bridge.prefix}-latest"}

    @override
    async def set_up(self) -> None:
        await super().set_up()
        batched, latest = sorted(self.routes)
        common = {"from": "events.lanes.asked"}
        routes = [
            {
                **common,
                "name": batched,
                "batch": {"for": "700ms", "size": self.size},
                "signal": {"signal": "note", "workflow_id": "data.target"},
            },
            {
                **common,
                "name": latest,
                "debounce": {"for": "400ms", "at_most": "2s"},
                "signal": {"signal": "note", "workflow_id": 'data.target + "-latest"'},
            },
        ]
        self.bridge.routes_file.write_text(yaml.safe_dump({"routes": routes}))
        for target in self.targets:
            await self.temporal.start_workflow(
                "Target", id=f"{target}-latest", task_queue=self.bridge.task_queue
            )

    async def publish_in_parts(self, parts: int = 3) -> None:
        """Publish a part when the last one is settled: then each key has so many windows at least."""
        step = self.lanes * (self.each // parts)
        for start in range(0, len(self.events), step):
            await self.publish(start, start + step)
            await self.settled(min(start + step, len(self.events)), within=240)

    @override
    async def settled(self, count: int, within: float = 60) -> None:
        """Wait until the dispatches of so many events are settled, by both routes."""
        await self._counted(_SETTLED, 2 * count, within)

    @override
    async def assert_all_once(self, within: float = 60) -> None:
        """Assert that each event was given once, in order, and that each window had one call."""
        await self.settled(len(self.events), within)
        rows = await checker.dispatches(self.bridge)
        assert Counter(row["route"] for row in rows) == dict.fromkeys(
            self.routes, len(self.events)
        )
        assert {row["state"] for row in rows} <= {"done", "merged"}
        assert await checker.dead_letters(self.bridge) == []
        assert await checker.rows(self.bridge, "select * from windows") == []
        called = one_call_for_each_window(rows)
        batched, latest = sorted(self.routes)
        for target in self.targets:
            await self._is_given_once(target)
            await self._is_given_last(f"{target}-latest", called[latest, f"{target}-latest"])
        assert {route for route, _ in called} == {batched, latest}

    async def _is_given_once(self, target: str) -> None:
        batches = await self._signals(target)
        assert all(len(batch) <= self.size for batch in batches)
        ids = [each["id"] for batch in batches for each in batch]
        assert ids == [f"{number:04}" for number in range(self.each)], f"{target}: {ids}"

    async def _is_given_last(self, target: str, called: list[int]) -> None:
        given = [int(each["id"]) for each in await self._signals(target)]
        assert given == sorted(given), f"{target}: {given}"
        assert len(given) == len(called)
        assert given[-1] == self.each - 1

    async def _signals(self, target: str) -> list[Any]:
        """What a workflow was sent, in order, by its history."""
        history = await self.temporal.get_workflow_handle(target).fetch_history()
        return [
            json.loads(payload.data)
            for event in history.events
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED
            for payload in event.workflow_execution_signaled_event_attributes.input.payloads
        ]


def one_call_for_each_window(rows: list[asyncpg.Record]) -> dict[tuple[str, str], list[int]]:
    """Return the calls of each route and target, having seen that each window has one, of its last event."""
    callers = {row["window_id"]: row for row in rows if row["state"] == "done"}
    assert len(callers) == sum(row["state"] == "done" for row in rows)
    found: dict[tuple[str, str], list[int]] = {}
    for row in callers.values():
        found.setdefault((row["route"], row["target"]), []).append(row["id"])
    for row in rows:
        caller = callers[row["window_id"]]
        if row["state"] == "merged":
            assert row["into_id"] == caller["id"]
            assert row["position"] < caller["position"]
    return found
