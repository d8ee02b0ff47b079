"""Two daemons that relay while many writers append, and what is done to the one that leads."""

import asyncio
import json
import os
import signal
from dataclasses import dataclass, replace

import psutil

from bridge.devstack.child import Child
from bridge.lifecycle.crash_points import FREEZE, VARIABLE
from eventstore.database import Database
from eventstore.events import Event, NewEvent, Origin
from eventstore.store import EventStore
from tests.support import checker
from tests.support.daemon import Bridge, running
from tests.support.waiting import eventually, line

WRITERS = 8
EACH = 40
MEANWHILE = 5
"""Events that are appended while the leader is frozen."""
LEADS = '"lease": "relay".*lease.acquired'


@dataclass
class RelayCell:
    """One crash point of the relay, and whether its leader is killed or frozen there."""

    bridge: Bridge
    point: str
    frozen: bool

    async def run(self) -> None:
        """Append while the leader is struck, and judge what is on NATS."""
        await self.bridge.set_up()
        leader = self.bridge.daemon(
            "leader", **{FREEZE if self.frozen else VARIABLE: self.point}
        )
        second = self.bridge.daemon("second")
        async with running(leader):
            await line(leader.command.log, LEADS)
            async with running(second):
                writing = asyncio.create_task(append(self.bridge))
                try:
                    await (self._thaw if self.frozen else self._restart)(leader, second)
                    await writing
                finally:
                    writing.cancel()
                count = WRITERS * EACH + MEANWHILE * self.frozen
                await checker.results_arrived(self.bridge, count)
                await checker.assert_same_results(self.bridge, count)

    async def _restart(self, leader: Child, _second: Child) -> None:
        assert await asyncio.wait_for(leader.exited(), 60) == -signal.SIGKILL
        env = {name: value for name, value in leader.command.env.items() if name != VARIABLE}
        leader.command = replace(leader.command, env=env)
        await leader.start()

    async def _thaw(self, leader: Child, second: Child) -> None:
        process = psutil.Process(leader.pid)
        await eventually(
            lambda: process.status() == psutil.STATUS_STOPPED, within=60, what="it is frozen"
        )
        # Not before another has taken over, and has published behind its back.
        await line(second.command.log, LEADS, within=30)
        await line(second.command.log, "relay.resumed", within=30)
        before = len(await checker.published_results(self.bridge))
        await append(self.bridge, writers=1, each=MEANWHILE, prefix="meanwhile")
        await checker.results_arrived(self.bridge, before + MEANWHILE)
        os.kill(leader.pid, signal.SIGCONT)
        await line(leader.command.log, "lease.lost|relay.overtaken", within=30)


async def append(
    bridge: Bridge, *, writers: int = WRITERS, each: int = EACH, prefix: str = "writer"
) -> None:
    """Have some writers append result events at the same time, each to a stream of its own."""
    database = await Database.connect(bridge.database_url)
    store = EventStore(database)
    try:
        await asyncio.gather(
            *(write(store, f"{prefix}-{number}", each) for number in range(writers))
        )
    finally:
        await store.aclose()
        await database.close()


async def write(store: EventStore, writer: str, count: int) -> None:
    """Append one event after the other."""
    for number in range(count):
        event = Event(
            id=f"{writer}-{number}",
            source="/tests/relay",
            type="io.quantum-suite.matrix.done.v1",
            data=json.dumps({"writer": writer, "number": number}).encode(),
        )
        new = NewEvent(event=event, origin=Origin.EMITTED, topic="results.matrix.done")
        await store.append(f"run-{writer}", [new])
        # A little slower than they could, so that all of it is going on while things happen.
        await asyncio.sleep(0.02)
