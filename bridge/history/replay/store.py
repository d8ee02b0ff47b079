"""The table of replays: options and progress of each."""

from collections.abc import Mapping
from typing import Literal
from uuid import UUID, uuid4

import msgspec

from bridge.dead_letters import storable
from bridge.errors import BridgeError
from bridge.history.replay.selection import Selection
from bridge.lifecycle.lease_names import replay_lease
from bridge.sql import STATEMENTS
from eventstore.database import Connection, Database, Row
from eventstore.errors import Deposed
from eventstore.leases import Lease, Leases
from eventstore.store import EventStore

_DEPOSED_SECONDS = 0.001
"""The lease of a stopped replay is free at once."""


class ToFile(msgspec.Struct, frozen=True, kw_only=True, tag="file", tag_field="kind"):
    """A file on the machine where the replay runs."""

    path: str
    """Absolute."""
    format: Literal["ndjson", "batch"] = "ndjson"


class ToNats(msgspec.Struct, frozen=True, kw_only=True, tag="nats", tag_field="kind"):
    """``replay.<id>.<original subject>``, or one given subject."""

    subject: str | None = None


class ToRoutes(msgspec.Struct, frozen=True, kw_only=True, tag="routes", tag_field="kind"):
    """All routes, or the named ones."""

    names: tuple[str, ...] = ()
    again: bool = False
    """Open a new generation of dispatches that exist."""
    forgotten: bool = False
    """Also plan events whose dispatch record retention may have deleted."""


Destination = ToFile | ToNats | ToRoutes
Runner = Literal["command", "console"]
"""Who runs a replay: a command, or any console."""


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """One replay."""

    id: UUID
    selection: Selection
    target: Destination
    incarnation: UUID
    through: int
    """Where the log was final when the replay began; the last position that belongs to it."""
    total: int
    position: int
    """Events at or below it are done."""
    sequence: int | None
    done: int
    tally: Mapping[str, int]
    state: Literal["open", "stopped", "finished"]
    who: str
    runner: Runner = "command"
    rate: float | None = None
    """The most events a second; None: as many as possible."""


class Launch(msgspec.Struct, frozen=True, kw_only=True):
    """How a replay begins.

    ``via`` is how the person is known, ``reason`` why they begin it, ``rate`` the most events a second,
    ``detail`` what it is in words, for the audit.
    """

    via: str = "command line"
    reason: str = ""
    runner: Runner = "command"
    rate: float | None = None
    detail: str = ""


BY_COMMAND = Launch()


class NoSuchReplay(BridgeError):  # noqa: N818 - says what is the case
    """There is no open replay with this id."""


class ReplayStopped(BridgeError):  # noqa: N818 - says what is the case
    """Somebody stopped the replay."""


class Replays:
    """The replays of one database."""

    def __init__(self, database: Database, store: EventStore) -> None:
        self._database = database
        self._store = store

    async def begin(
        self,
        selection: Selection,
        target: Destination,
        *,
        through: int,
        total: int,
        sequence: int | None,
        who: str,
        launch: Launch = BY_COMMAND,
    ) -> Replay:
        """Insert a new replay, record it in the audit, and return it.

        Args:
            selection: Which events.
            target: Where to.
            through: The last position that belongs to it.
            total: How many events these are.
            sequence: To NATS: of the stream's last message.
            who: Who begins it.
            launch: How, why and by whom it is run.
        """
        replay_id = uuid4()
        await self._database.execute(
            STATEMENTS["begin_replay"],
            replay_id,
            msgspec.json.encode(selection).decode(),
            msgspec.json.encode(target).decode(),
            await self._store.incarnation(),
            through,
            total,
            min(selection.after, through),
            sequence,
            *map(storable, (who, launch.via, launch.reason)),
            launch.runner,
            launch.rate,
            storable(launch.detail),
        )
        return await self.get(replay_id)

    async def get(self, replay_id: UUID) -> Replay:
        """Return a replay.

        Raises:
            NoSuchReplay: There is none with this id, or it belongs to another incarnation of the store.
        """
        row = await self._database.fetchrow(STATEMENTS["get_replay"], replay_id)
        if row is None:
            raise NoSuchReplay(f"replay {replay_id} does not exist; {await self._advice()}")
        replay = _replay(row)
        if replay.incarnation != await self._store.incarnation():
            raise NoSuchReplay(
                f"the replay {replay_id} belongs to another incarnation of the store: a backup was "
                "restored since, and its positions are of other events; begin a new replay"
            )
        return replay

    async def open(self, limit: int) -> list[Replay]:
        """Return the open replays, latest first."""
        rows = await self._database.fetch(STATEMENTS["open_replays"], limit)
        return [_replay(row) for row in rows]

    async def due(self, limit: int) -> list[Replay]:
        """Return the open replays that consoles run, oldest first."""
        rows = await self._database.fetch(STATEMENTS["due_replays"], limit)
        return [_replay(row) for row in rows]

    async def stop(self, replay_id: UUID, *, who: str, via: str, reason: str) -> bool:
        """Stop a replay wherever it runs, and record it in the audit; return whether it was open."""
        stopped = await self._database.fetchval(
            STATEMENTS["stop_replay"], replay_id, *map(storable, (who, via, reason))
        )
        if stopped:
            # Without its lease the run ends at once; otherwise at its next save, which the state refuses.
            await Leases(self._database).depose(
                replay_lease(replay_id), f"stopped by {who}", _DEPOSED_SECONDS
            )
        return bool(stopped)

    async def continue_in_consoles(
        self, replay_id: UUID, *, who: str, via: str, reason: str
    ) -> bool:
        """Let the consoles run a replay, and record it in the audit; return whether that is new."""
        return bool(
            await self._database.fetchval(
                STATEMENTS["continue_replay"], replay_id, *map(storable, (who, via, reason))
            )
        )

    async def claim(self, replay: Replay, runner: Runner, rate: float | None) -> None:
        """Note that a run begins, under its lease. A command also opens one that is not open.

        Raises:
            ReplayStopped: Somebody stopped it, or it is finished, and a console would run it.
        """
        before = await self._database.fetchval(
            STATEMENTS["claim_replay"], replay.id, runner, rate, runner == "command"
        )
        if before is None:
            raise ReplayStopped(f"replay {replay.id} is stopped or finished")

    async def fail(self, replay_id: UUID, reason: str) -> None:
        """Stop a replay that cannot go on."""
        await self._database.execute(STATEMENTS["fail_replay"], replay_id, storable(reason))

    async def note(self, replay_id: UUID, text: str) -> None:
        """Note what became of events that were not sent."""
        await self._database.execute(STATEMENTS["note_replay"], replay_id, storable(text))

    async def is_stopped(self, replay_id: UUID) -> bool:
        """Return whether somebody stopped a replay."""
        row = await self._database.fetchrow(STATEMENTS["get_replay"], replay_id)
        return row is not None and row["state"] == "stopped"

    async def save(
        self,
        replay: Replay,
        position: int,
        done: int,
        lease: Lease,
        *,
        sequence: int | None = None,
        finished: bool = False,
    ) -> None:
        """Save the progress of a replay.

        Raises:
            Deposed: Another process runs it now.
        """
        async with self._database.transaction() as connection:
            await save(connection, replay, position, done, lease, sequence=sequence)
            if finished:
                await connection.execute(STATEMENTS["finish_replay"], replay.id)

    async def _advice(self) -> str:
        open_ones = await self.open(10)
        if not open_ones:
            return "no replay is open"
        return "open ones: " + ", ".join(str(each.id) for each in open_ones)


async def save(
    connection: Connection,
    replay: Replay,
    position: int,
    done: int,
    lease: Lease,
    *,
    sequence: int | None = None,
    tally: Mapping[str, int] | None = None,
) -> None:
    """Save the progress of a replay in the caller's transaction.

    Raises:
        Deposed: Another process runs it now.
    """
    await lease.assert_held(connection)
    saved = await connection.fetchval(
        STATEMENTS["save_replay"],
        replay.id,
        position,
        sequence,
        done,
        None if tally is None else msgspec.json.encode(tally).decode(),
        lease.epoch,
    )
    if saved is None:
        raise Deposed(
            f"another process has continued the replay {replay.id} under a later epoch, or it is stopped"
        )


def _replay(row: Row) -> Replay:
    values = dict(row)
    return Replay(
        **{
            **values,
            "id": UUID(int=row["id"].int),
            "incarnation": UUID(int=row["incarnation"].int),
            "selection": msgspec.json.decode(row["selection"], type=Selection),
            "target": msgspec.json.decode(row["target"], type=Destination),
            "tally": msgspec.json.decode(row["tally"], type=dict[str, int]),
        }
    )
