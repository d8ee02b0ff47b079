"""One cell of the crash matrix: one operation, one point at which the daemon is killed.

Every cell publishes the same: events of two keys, in turns, for the operation; one event that
the operation cannot carry out; one that no route wants; one message that is no event; and has
result events in the store for the relay. So every crash point lies on its way. What came of it
is read from NATS, Postgres and Temporal by `Cell.judge`.
"""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import nats
import yaml
from temporalio.client import Client

from bridge.devstack.child import Child
from bridge.errors import StackError
from bridge.lifecycle.crash_points import VARIABLE
from bridge.pauses import Pauses
from eventstore.database import Database
from eventstore.events import Event, NewEvent, Origin
from eventstore.store import EventStore
from tests.support import checker, effects, publishing
from tests.support.daemon import Bridge, running
from tests.support.effects import Effect
from tests.support.waiting import eventually

TYPE = "io.quantum-suite.matrix.asked.v1"
UNWANTED = "io.quantum-suite.matrix.unwanted.v1"
KEYS = 2
EACH = 3
RESULTS = 3
TOO_LARGE = 2_200_000
"""Bytes of an input that NATS carries and Temporal refuses."""

OPERATIONS = (
    *("start", "signal", "signal_with_start", "update", "update_with_start"),
    *("cancel", "terminate"),
)


_BY = {"who": "test", "via": "matrix", "reason": "so that the table is read"}


@dataclass
class Cell:
    """One operation, one point; `bridge` is of the cell's own."""

    bridge: Bridge
    client: Client
    operation: str
    point: str
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def route(self) -> str:
        """The route's name."""
        return f"{self.bridge.prefix}-{self.operation.replace('_', '-')}"

    async def run(self) -> None:
        """Publish, have the daemon killed at the point, start it again, judge."""
        await self.prepare()
        doomed = self.bridge.daemon("doomed", **{VARIABLE: self.point})
        # Nothing is read from the table that is handed over in memory, but for a route that is paused.
        is_read = self.point.startswith("dispatch.taken")
        if is_read:
            await self._pauses(lambda pauses: pauses.pause("route", self.route, **_BY))
        async with self._started(doomed) as is_ready:
            await self.publish(doomed if is_ready else None)
            if is_ready:
                if is_read:
                    await self._recorded(len(self.events) + 2)
                    await self._pauses(lambda pauses: pauses.resume("route", self.route, **_BY))
                async with asyncio.timeout(120):
                    code = await doomed.exited()
                assert code == -signal.SIGKILL, f"ended with {code}: {doomed.output()[-2000:]}"
        async with running(self.bridge.daemon("successor")):
            await self.done()
            await self.judge()

    @asynccontextmanager
    async def _started(self, doomed: Child) -> AsyncIterator[bool]:
        """Run the daemon; tell whether it became ready. The relay may pass its point before that."""
        try:
            await doomed.start()
        except StackError as error:
            if "ended by SIGKILL while starting" not in str(error):
                raise
            yield False
            return
        try:
            yield True
        finally:
            await doomed.kill()

    async def _pauses(self, change: Callable[[Pauses], Awaitable[object]]) -> None:
        database = await Database.connect(self.bridge.database_url)
        try:
            await change(Pauses(database))
        finally:
            await database.close()

    async def _recorded(self, count: int) -> None:
        async def recorded() -> bool:
            return len(await checker.deliveries(self.bridge)) >= count

        await eventually(recorded, within=120)

    async def prepare(self) -> None:
        """Write the route, start the workflows that it touches, store result events."""
        await self.bridge.set_up()
        self.bridge.routes_file.write_text(yaml.safe_dump({"routes": [self._route()]}))
        self.events = [
            publishing.event(TYPE, self._data(key, number), id=f"{key}-{number}")
            for number in range(EACH)
            for key in range(KEYS)
        ]
        if self.operation in ("signal", "update", "cancel", "terminate"):
            for target in sorted({event["data"]["target"] for event in self.events}):
                await self.client.start_workflow(
                    "Target", id=target, task_queue=self.bridge.task_queue
                )
        impossible = {"key": "impossible", "target": f"{self.bridge.prefix}-nobody"}
        if self.operation in ("start", "signal_with_start", "update_with_start"):
            impossible["pad"] = "x" * TOO_LARGE
        self.events.append(publishing.event(TYPE, impossible, id="impossible"))
        await self._store_results()

    async def publish(self, doomed: Child | None) -> None:
        """Publish everything, in order."""
        # The first read of the table may take what comes together. It takes nothing that comes after it.
        is_handed = self.point.startswith("dispatch.handed")
        client = await nats.connect(self.bridge.addresses.nats_url)
        try:
            for number, event in enumerate(self.events, start=1):
                await publishing.structured(client, self.bridge, event)
                if doomed is not None and is_handed:
                    await self._settled_or_dead(number, doomed)
            unwanted = publishing.event(UNWANTED, {}, id="unwanted")
            await publishing.structured(client, self.bridge, unwanted)
            await client.jetstream().publish(
                publishing.subject_of(self.bridge, TYPE), b"this is no event"
            )
        finally:
            await client.close()

    async def _settled_or_dead(self, count: int, doomed: Child) -> None:
        settled = asyncio.ensure_future(checker.settled(self.bridge, count, within=120))
        dead = asyncio.ensure_future(doomed.exited())
        await asyncio.wait((settled, dead), return_when=asyncio.FIRST_COMPLETED)
        if not dead.done():
            await settled
        for each in (settled, dead):
            each.cancel()
        await asyncio.gather(settled, dead, return_exceptions=True)

    async def done(self) -> None:
        """Wait until intake has answered everything, nothing is open, and all was relayed."""
        await checker.settled(self.bridge, len(self.events) + 2)
        await checker.results_arrived(self.bridge, RESULTS)

        async def told() -> bool:
            letters = await checker.dead_letters(self.bridge)
            return len(letters) == 2 and all(each["notified_at"] for each in letters)

        await eventually(told, within=120, what="two dead letters, told of on NATS")

    async def judge(self) -> None:
        """Hold what is in the three servers against what was published."""
        await eventually(self._effects_are_right, within=120)
        letters = await checker.dead_letters(self.bridge)
        assert sorted(
            (each["stage"], each["event_id"] or "", each["route"] or "") for each in letters
        ) == [("dispatch", "impossible", self.route), ("intake", "", "")]
        verdicts = Counter(each["verdict"] for each in await checker.deliveries(self.bridge))
        assert verdicts == {"matched": len(self.events), "unmatched": 1, "set-aside": 1}
        await checker.assert_same_results(self.bridge, RESULTS)
        await self._notices_are_right()

    async def _effects_are_right(self) -> bool:
        possible = [event["id"] for event in self.events if event["id"] != "impossible"]
        done = sorted(await self._effects(), key=lambda effect: effect.at)
        assert Counter(effect.event for effect in done) == Counter(possible), done
        assert {effect.route for effect in done} == {self.route}
        for key in range(KEYS):
            mine = [each.event for each in done if each.event.startswith(f"{key}-")]
            assert mine == sorted(mine), f"out of order: {mine}"
        return True

    async def _effects(self) -> list[Effect]:
        targets = {event["data"]["target"]: event["id"] for event in self.events}
        find: dict[str, Callable[[], Awaitable[list[Effect]]]] = {
            "start": lambda: effects.started(self.client, self.route),
            "signal": lambda: effects.signalled(self.client, list(targets)),
            "signal_with_start": lambda: effects.signalled(self.client, list(targets)),
            "update": lambda: effects.updated(self.client, list(targets)),
            "update_with_start": lambda: effects.updated(self.client, list(targets)),
            "cancel": lambda: effects.cancelled(self.client, self.route, targets),
            "terminate": lambda: effects.terminated(self.client, self.route, targets),
        }
        return await find[self.operation]()

    async def _notices_are_right(self) -> None:
        """Each letter has a notice, and a repeat of one is recognised as the same event."""
        client = await nats.connect(self.bridge.addresses.nats_url)
        try:
            js = client.jetstream()
            stream = f"{self.bridge.prefix}-DEADLETTERS"
            state = (await js.stream_info(stream)).state
            messages = [
                await js.get_msg(stream, sequence) for sequence in range(1, state.last_seq + 1)
            ]
        finally:
            await client.close()
        told = Counter(json.loads(each.data or b"")["id"] for each in messages)
        assert len(told) == 2, told

    def _data(self, key: int, number: int) -> dict[str, Any]:
        one_each = self.operation in ("start", "cancel", "terminate")
        target = f"{self.bridge.prefix}-{key}"
        return {
            "key": str(key),
            "number": number,
            "target": f"{target}-{number}" if one_each else target,
        }

    def _route(self) -> dict[str, Any]:
        start = {"workflow": "Target", "task_queue": self.bridge.task_queue}
        says: dict[str, Any] = {
            "start": start,
            "signal": {"signal": "note", "workflow_id": "data.target"},
            "signal_with_start": {**start, "signal": "note", "workflow_id": "data.target"},
            "update": {"update": "note", "workflow_id": "data.target"},
            "update_with_start": {**start, "update": "note", "workflow_id": "data.target"},
            "cancel": {"workflow_id": "data.target"},
            "terminate": {"workflow_id": "data.target"},
        }
        return {
            "name": self.route,
            "from": "events.matrix.asked",
            "type": TYPE,
            "key": "data.key",
            self.operation: says[self.operation],
        }

    async def _store_results(self) -> None:
        database = await Database.connect(self.bridge.database_url)
        store = EventStore(database)
        try:
            for number in range(RESULTS):
                event = Event(
                    id=str(number),
                    source="/tests/matrix",
                    type="io.quantum-suite.matrix.done.v1",
                    data=json.dumps({"number": number}).encode(),
                )
                await store.append(
                    "run-matrix",
                    [NewEvent(event=event, origin=Origin.EMITTED, topic="results.matrix.done")],
                )
        finally:
            await store.aclose()
            await database.close()
