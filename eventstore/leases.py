"""Leases: who may do something alone, until when, by the database's clock.

A lease is a row with an owner, an epoch and an expiry. The expiry only says when another may
take over; what keeps the log and the tables right is the epoch. Each takeover raises it, and
every fenced write checks it *inside its own transaction* (`Lease.assert_held`), holding off a
takeover until that transaction has ended. So a holder that was frozen, or cut off, or whose
clock is wrong, can believe what it likes: its writes fail.

What happens when

- *the holder dies*: nobody renews; the lease is free at its expiry.
- *the holder freezes between transactions*: another takes over at the expiry; when the holder
  thaws, its next fenced write finds a later epoch and raises `Deposed`.
- *the holder freezes inside a fenced transaction*: the server ends the transaction after
  `PATIENCE` seconds of silence, so a successor waits at most that much longer.
- *the holder is slow to renew and nobody else wants the lease*: it goes on; its epoch stands.
- *the database restarts*: the row survives, the epoch with it.
- *the row is deleted*: the holder is deposed; the next epoch is larger all the same, because epochs
  are drawn from a sequence.
- *the database's clock goes back*: the expiry of every lease is further away than its time to live.
  That is impossible, so it is adjusted (by `Leases.adjust`, and by whoever asks for the lease):
  a dead holder's lease is over after one time to live, a living holder renews before.
"""

from collections.abc import Sequence
from typing import Final

from typing_extensions import override

from eventstore.appending import STATEMENTS
from eventstore.database import Connection, Database
from eventstore.errors import Deposed

PATIENCE: Final = 1.5
"""Seconds that a fenced transaction may leave the server waiting for its next statement."""


class Lease:
    """A lease that was acquired. It may be over since: `assert_held` is what counts.

    Attributes:
        name: What it is for.
        owner: Who acquired it.
        epoch: The fence: larger than that of every earlier owner.
    """

    __slots__ = ("_database", "_ttl", "epoch", "name", "owner")

    def __init__(
        self, database: Database, name: str, owner: str, epoch: int, ttl: float
    ) -> None:
        self._database = database
        self._ttl = ttl
        self.name = name
        self.owner = owner
        self.epoch = epoch

    @override
    def __repr__(self) -> str:
        return f"Lease({self.name!r}, owner={self.owner!r}, epoch={self.epoch})"

    async def renew(self) -> None:
        """Prolong the lease to its time to live from now; do so every third of it.

        Raises:
            Deposed: Somebody else has taken it, or it was released.
            Unavailable: The database did not answer; the lease goes on running out.
        """
        renewed = await self._database.fetchval(
            STATEMENTS["renew_lease"], self.name, self.owner, self.epoch, self._ttl
        )
        if renewed is None:
            raise Deposed(
                f"lease {self.name!r} is no longer held by {self.owner!r} under epoch {self.epoch}"
            )

    async def release(self) -> None:
        """Give the lease back, so that another need not wait; no error when it is gone."""
        await self._database.execute(
            STATEMENTS["release_lease"], self.name, self.owner, self.epoch
        )

    async def assert_held(self, connection: Connection) -> None:
        """Make a transaction one that only the holder of this epoch can commit.

        To be called inside the transaction, before or after its writes; it holds off a takeover
        until the transaction ends. The transaction may not leave the server waiting for more
        than `PATIENCE` seconds after it.

        Raises:
            Deposed: The lease is not held under this epoch; the transaction is aborted.
        """
        await connection.fetchval(
            STATEMENTS["assert_lease"], self.name, self.owner, self.epoch, f"{PATIENCE}s"
        )


class Leases:
    """The leases of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def acquire(self, name: str, owner: str, ttl: float) -> Lease | None:
        """Take a lease that is free or over; None when it is held. Ask again until it is yours.

        Args:
            name: What it is for.
            owner: Who asks, for people to read; the epoch is what tells owners apart, and a
                lease that is held is refused to a namesake too.
            ttl: Seconds until it is over unless renewed.

        Raises:
            ValueError: The time to live is not positive.
        """
        if ttl <= 0:
            raise ValueError(f"a lease lives for more than 0 s: {ttl}")
        epoch = await self._database.fetchval(STATEMENTS["acquire_lease"], name, owner, ttl)
        if epoch is None:
            return None
        return Lease(self._database, name, owner, epoch, ttl)

    async def depose(self, name: str, owner: str, ttl: float) -> Lease:
        """Take a lease whoever holds it: for an operator who knows what the holder does.

        Its next fenced write, and its next renewal, raise `Deposed`. Waits for a fenced write
        that is under way.

        Raises:
            ValueError: The time to live is not positive.
            Unavailable: The database did not answer, or a fenced write did not end in time.
        """
        if ttl <= 0:
            raise ValueError(f"a lease lives for more than 0 s: {ttl}")
        epoch = await self._database.fetchval(STATEMENTS["depose_lease"], name, owner, ttl)
        return Lease(self._database, name, owner, epoch, ttl)

    async def renew_all(self, owner: str, leases: Sequence[Lease], ttl: float) -> list[Lease]:
        """Prolong several leases of one owner in one statement; return those that are lost.

        Raises:
            Unavailable: The database did not answer; the leases go on running out.
        """
        rows = await self._database.fetch(
            STATEMENTS["renew_leases"],
            [lease.name for lease in leases],
            owner,
            [lease.epoch for lease in leases],
            ttl,
        )
        kept = {row["name"] for row in rows}
        return [lease for lease in leases if lease.name not in kept]

    async def adjust(self) -> list[str]:
        """Adjust leases that expire later than they can; return their names.

        There are some only after the database's clock went back by more than a second.

        Raises:
            Unavailable: The database did not answer.
        """
        return [row["name"] for row in await self._database.fetch(STATEMENTS["adjust_leases"])]

    async def held(self, prefix: str) -> dict[str, str]:
        """Return the owners of the leases that are held now, by name, of those that begin so."""
        rows = await self._database.fetch(STATEMENTS["held_leases"], prefix)
        return {row["name"]: row["owner"] for row in rows}
