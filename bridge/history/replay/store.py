"""The table of replays: options and progress of each."""

from collections.abc import Mapping
from typing import Literal
from uuid import UUID, uuid4

import msgspec

from bridge.errors import BridgeError
from bridge.history.replay.selection import Selection
from bridge.sql import STATEMENTS
from eventstore.database import Connection, Database, Row
from eventstore.errors import Deposed
from eventstore.leases import Lease
from eventstore.store import EventStore


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
    state: Literal["open", "finished"]
    who: str


class NoSuchReplay(BridgeError):  # noqa: N818 - says what is the case
    """There is no open replay with this id."""


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
    ) -> Replay:
        """Insert a new replay and return it."""
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
            who,
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
            f"another process has continued the replay {replay.id} under a later epoch"
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
