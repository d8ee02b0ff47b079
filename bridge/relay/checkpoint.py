"""`CheckpointSaver`: saves how far the relay came, without making events wait for it.

The stream itself shows where a relay resumes. The checkpoint is for the time when the stream's last
messages are gone, and for those who ask how far the relay is. So it may be a little behind.
"""

import asyncio

from bridge.lifecycle.crash_points import fault
from bridge.lifecycle.lease_names import RELAY_CHECKPOINT
from eventstore.leases import Lease
from eventstore.subscription import Checkpoints

_EVERY_SECONDS = 0.1


class CheckpointSaver:
    """Saves the latest position that was noted: at once, and then after a moment again.

    Args:
        checkpoints: Where it is saved.
        lease: The relay's lease, which every save asserts.
    """

    def __init__(self, checkpoints: Checkpoints, lease: Lease) -> None:
        self._checkpoints = checkpoints
        self._lease = lease
        self._through: int | None = None
        self._saved: int | None = None
        self._noted = asyncio.Event()

    def note(self, through: int) -> None:
        """All events at or below a position are on NATS or set aside."""
        self._through = through
        self._noted.set()

    async def run(self) -> None:
        """Save until cancelled.

        Raises:
            Deposed: The lease is lost.
            Unavailable: The database is unavailable.
        """
        while True:
            await self._noted.wait()
            await self.save()
            await asyncio.sleep(_EVERY_SECONDS)

    async def save(self) -> None:
        """Save what was noted since the last save, if anything; raises as `run` does."""
        self._noted.clear()
        through = self._through
        if through is None or through == self._saved:
            return
        await self._checkpoints.save(RELAY_CHECKPOINT, through, self._lease)
        self._saved = through
        fault("relay.checkpointed")
