"""Load for tests that kill things: events, how far they have come, and whether all came out once."""

import os
import random
import sys
from dataclasses import dataclass

from nats.aio.client import Client

from eventstore.events import uid
from tests.support import checker, publishing
from tests.support.daemon import Bridge
from tests.support.waiting import eventually

PROGRESS = {
    "recorded": "select count(*) from events where not emitted",
    "started": "select count(*) from dispatches where state <> 'open'",
    "emitted": "select count(*) from events where emitted",
    "relayed": "select coalesce(max(position), 0) from checkpoints",
}
"""What the progress of the whole can be told by, and so be killed at."""


def seeded() -> random.Random:
    """Dice whose seed is printed; SEED=… throws the same again."""
    seed = int(os.environ.get("SEED", str(random.SystemRandom().randrange(10**6))))
    sys.stdout.write(f"SEED={seed}\n")
    return random.Random(seed)


@dataclass(frozen=True)
class Moment:
    """When to strike: as soon as so much of something has happened."""

    measure: str
    count: int


class Load:
    """Events for the light workflow, each of which leads to one run and `steps + 1` result events."""

    def __init__(self, bridge: Bridge, events: int, steps: int = 0) -> None:
        self.bridge = bridge
        self.events = publishing.light_events(events, steps)
        self.results = events * (steps + 1)

    @property
    def uids(self) -> list[str]:
        """Of the events."""
        return [str(uid(event["source"], event["id"])) for event in self.events]

    def moments(self, dice: random.Random, how_many: int) -> list[Moment]:
        """Moments over the whole course of the load, the earlier ones first."""
        most = {
            "recorded": len(self.events),
            "started": len(self.events),
            "emitted": self.results,
            "relayed": len(self.events) + self.results,
        }
        shares = sorted(dice.uniform(0.02, 0.95) for _ in range(how_many))
        measures = [dice.choice(sorted(most)) for _ in shares]
        plan = [
            Moment(measure, max(1, int(share * most[measure])))
            for share, measure in zip(shares, measures, strict=True)
        ]
        sys.stdout.write(f"{plan}\n")
        return plan

    async def publish(self, client: Client, start: int = 0, stop: int | None = None) -> None:
        """Publish some or all, one after the other, each until it is acknowledged."""
        for event in self.events[start:stop]:
            await publishing.insistently(client, self.bridge, event)

    async def reached(self, moment: Moment) -> None:
        """Wait for a moment."""

        async def look() -> bool:
            ((count,),) = await checker.rows(self.bridge, PROGRESS[moment.measure])
            return bool(count >= moment.count)

        await eventually(look, within=150, what=f"{moment}")

    async def assert_all_once(self, within: float = 200) -> None:
        """Wait for the last result event; assert one run an event, and NATS equal to the store."""
        await checker.results_arrived(self.bridge, self.results, within=within)
        await checker.assert_same_results(self.bridge, self.results)
        await checker.assert_one_run_each(self.bridge, self.bridge.light_route, self.uids)
        await eventually(self._all_are_settled, within=120)
        assert await checker.dead_letters(self.bridge) == []

    async def _all_are_settled(self) -> bool:
        # A run may be over before anybody took over the lanes of a daemon that was killed between
        # its call and its settling.
        states = {row["state"] for row in await checker.dispatches(self.bridge)}
        assert states <= {"done", "duplicate"}, states
        return True
