"""A lease holder frozen past its expiry and thawed: its next fenced write fails, the successor's stand."""

import asyncio
import os
import signal
import sys

import pytest

from eventstore.database import Database
from eventstore.leases import Leases
from eventstore.store import EventStore
from eventstore.subscription import Checkpoints
from tests.support.waiting import eventually
from tests.unit.eventstore.builders import new_events

pytestmark = pytest.mark.slow

HOLDER = """
import asyncio, sys
from eventstore.database import Database
from eventstore.errors import Deposed, Unavailable
from eventstore.leases import Leases
from eventstore.subscription import Checkpoints

async def main():
    database = await Database.connect(sys.argv[1])
    lease = await Leases(database).acquire("relay", "frozen", 1.0)
    checkpoints = Checkpoints(database)
    position = 0
    while True:
        position += 1
        try:
            await checkpoints.save("relay", position, lease)
            await lease.renew()
        except Deposed:
            print("deposed", flush=True)
            return
        except Unavailable:  # a connection may not outlive the frost; another one is taken
            continue
        print(position, flush=True)

asyncio.run(main())
"""


async def test_a_thawed_holder_s_next_write_fails(
    store_url: str, database: Database, store: EventStore
) -> None:
    await store.append("a-1", new_events(1))
    holder = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        HOLDER,
        store_url,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert holder.stdout is not None
    try:
        async with asyncio.timeout(120):
            for _ in range(20):
                assert await holder.stdout.readline()
            holder.send_signal(signal.SIGSTOP)
            successor = await eventually(
                lambda: Leases(database).acquire("relay", "successor", 60), within=120
            )
            assert successor.epoch == 2
            checkpoints = Checkpoints(database)
            await checkpoints.save("relay", 1, successor)
            holder.send_signal(signal.SIGCONT)
            rest = (await holder.stdout.read()).decode().split()
        assert rest[-1] == "deposed"
        row = await database.fetchrow("SELECT position, epoch FROM checkpoints")
        assert row is not None
        assert tuple(row) == (1, 2)
        await successor.renew()
    finally:
        if holder.returncode is None:
            holder.kill()
        await holder.wait()
