"""A Temporal in memory in which workflows are open or not there: starts, signals, what came in which order."""

import asyncio
import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from bridge.operations.calls import CallError, Run, SignalCall, StartCall
from bridge.routes.model import Route
from bridge.routes.table import RouteTable
from tests.support.daemon_parts import route

NUMBER_OF_START = 0
NUMBERS_OF_STARTING_SIGNALS = 100
"""An event with this number or a higher one signals with start."""


def routes(
    *, lane_of_starts: str = "data.key", wait_for: str = "1h", **signals: Any
) -> RouteTable:
    """Routes by which event 0 of a key starts the workflow of that id, and the others signal it."""
    signal = {"signal": "note", "workflow_id": "data.key", "argument": "data"}
    waits = {"when_missing": "wait", "wait_for": wait_for}
    nested = {"workflow": "W", "task_queue": "q"}
    return RouteTable(
        [
            route(
                "begin",
                when=f"data.number == {NUMBER_OF_START}",
                key=lane_of_starts,
                start={**nested, "id": "data.key"},
            ),
            route(
                "note",
                when=f"data.number > 0 && data.number < {NUMBERS_OF_STARTING_SIGNALS}",
                **{"start": None, "signal": {**signal, **waits}, **signals},
            ),
            route(
                "note-or-begin",
                when=f"data.number >= {NUMBERS_OF_STARTING_SIGNALS}",
                start=None,
                signal_with_start={**signal, **nested},
            ),
        ]
    )


def with_key(table: RouteTable, key: str) -> RouteTable:
    """The same routes, all in lanes by another key."""
    return RouteTable(
        Route.model_validate({**each.model_dump(by_alias=True, exclude_unset=True), "key": key})
        for each in table.routes
    )


@dataclass
class WorkflowsById:
    """Workflows that routes start and signal."""

    open: set[str] = field(default_factory=set)
    signalled: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    """By workflow id: the numbers of the events whose signals it has, in order."""
    tried: list[tuple[str, int]] = field(default_factory=list)
    """Every signal that was tried: workflow id and number."""
    answer_missing: asyncio.Event | None = None
    """When set, a signal to a workflow that is not there is answered only after this."""
    _known: set[UUID] = field(default_factory=set)

    async def start(self, call: StartCall) -> Run:
        """Start a workflow."""
        self.open.add(call.workflow_id)
        return Run(run_id=f"run-{call.request_id}", start_request_id=str(call.request_id))

    async def signal(self, call: SignalCall) -> str:
        """Signal a workflow that is open."""
        number = json.loads(call.argument.data or b"{}")["data"]["number"]
        self.tried.append((call.workflow_id, number))
        if call.workflow_id not in self.open:
            if self.answer_missing is not None:
                await self.answer_missing.wait()
            raise CallError("NOT_FOUND", "no such workflow")
        self._take(call, number)
        return f"run-of-{call.workflow_id}"

    async def signal_with_start(self, start: StartCall, call: SignalCall) -> Run:
        """Start the workflow unless it is open, and signal it."""
        self.open.add(start.workflow_id)
        self._take(call, json.loads(call.argument.data or b"{}")["data"]["number"])
        return Run(run_id=f"run-of-{start.workflow_id}")

    async def describe(self, workflow_id: str, run_id: str = "") -> Run:
        """Nothing is remembered of what is not open."""
        if workflow_id not in self.open:
            raise CallError("NOT_FOUND", "no such workflow")
        return Run(run_id=run_id or f"run-of-{workflow_id}", status="running")

    def _take(self, call: SignalCall, number: int) -> None:
        if call.request_id not in self._known:
            self._known.add(call.request_id)
            self.signalled[call.workflow_id].append(number)
