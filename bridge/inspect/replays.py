"""Replays: what was sent again, how far each has come, and how long it will take."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from bridge.history.replay import wording
from bridge.history.replay.selection import Selection
from bridge.history.replay.store import Destination, Runner, ToFile
from bridge.lifecycle.lease_names import REPLAY_PREFIX, replay_lease
from bridge.sql import STATEMENTS
from eventstore.database import Database
from eventstore.leases import Leases

Phase = Literal["running", "starting", "interrupted", "stopped", "finished"]


class ReplayRow(msgspec.Struct, frozen=True, kw_only=True):
    """One replay."""

    id: UUID
    selection: Selection
    target: Destination
    total: int
    done: int
    tally: Mapping[str, int]
    state: Literal["open", "stopped", "finished"]
    runner: Runner
    max_rate: float | None
    problem: str | None
    who: str
    began_at: datetime
    run_at: datetime | None
    """When its current or last run began."""
    done_before: int
    """How many events were done then."""
    saved_at: datetime
    finished_at: datetime | None
    owner: str | None
    """The process that runs it now."""

    @property
    def phase(self) -> Phase:
        """Its state, and whether an open one runs.

        ``starting``: a console will run it; ``interrupted``: a command has to resume it.
        """
        if self.state != "open":
            return self.state
        if self.owner is not None:
            return "running"
        return "starting" if self.runner == "console" else "interrupted"

    @property
    def rate(self) -> float:
        """Events a second in its current or last run; 0 if none is done."""
        end, begin = self.finished_at or self.saved_at, self.run_at or self.began_at
        took = (end - begin).total_seconds()
        return (self.done - self.done_before) / took if took > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at this rate; None if it is not open, or the rate is not known."""
        if self.state != "open" or self.rate <= 0:
            return None
        return max(0, self.total - self.done) / self.rate

    @property
    def which(self) -> str:
        """Which events, in words."""
        return wording.which(self.selection)

    @property
    def where_to(self) -> str:
        """Its target, in words."""
        return wording.where_to(self.target)

    @property
    def may_be_continued(self) -> bool:
        """Whether a console can run the rest: it has no file of another machine."""
        return self.phase in ("interrupted", "stopped") and not isinstance(self.target, ToFile)


async def find_replays(
    database: Database, limit: int, only: UUID | None = None
) -> list[ReplayRow]:
    """Return replays, the latest first; with ``only``, this one if it exists."""
    rows = await database.fetch(STATEMENTS["list_replays"], limit, only)
    held = await Leases(database).held(REPLAY_PREFIX)
    return [
        ReplayRow(
            **{
                **dict(row),
                "selection": msgspec.json.decode(row["selection"], type=Selection),
                "target": msgspec.json.decode(row["target"], type=Destination),
                "tally": msgspec.json.decode(row["tally"], type=dict[str, int]),
                "owner": held.get(replay_lease(row["id"])),
            }
        )
        for row in rows
    ]
