"""Leases: exclusive rights to do some work, with an expiry by the database's clock.

A lease is a row with an owner, an epoch and an expiry. The expiry only says when another process
may take over. The epoch keeps the data correct: each takeover raises it, and every fenced write
checks it *inside its own transaction* (`Lease.assert_held`), which blocks a takeover until that
transaction has ended. So the writes of a holder that was frozen, disconnected or has a wrong clock
fail after a takeover.

What happens when

- *the holder dies*: the lease is not renewed, and is free at its expiry.
- *the holder freezes between transactions*: another process takes over at the expiry. When the
  holder resumes, its next fenced write finds a later epoch and raises `Deposed`.
- *the holder freezes inside a fenced transaction*: the server ends the transaction after
  `PATIENCE` idle seconds, so a successor waits at most that much longer.
- *the holder renews late and no other process wants the lease*: it keeps the lease and its epoch.
- *the database restarts*: the row and its epoch survive.
- *the row is deleted*: the holder is deposed. The next epoch is still larger, because epochs are
  drawn from a sequence.
- *the database's clock goes back*: leases expire later than one time to live from now. This is
  impossible otherwise, so the expiry is adjusted (by `Leases.adjust`, and by `Leases.acquire`): a
  dead holder's lease ends after one time to live, a living holder renews before that.
"""

from collections.abc import Sequence
from math import inf
from time import monotonic
from typing import Final

from typing_extensions import override

from eventstore.appending import STATEMENTS
from eventstore.database import Connection, Database
from eventstore.errors import Deposed

PATIENCE: Final = 1.5
"""Seconds that a fenced transaction may be idle."""


class Lease:
    """An acquired lease. It may have expired since: only `assert_held` is decisive.

    Attributes:
        name: Its name.
        owner: The name of its owner.
        epoch: The fence: larger than the epoch of every earlier owner.
        free_since: When it became free before this owner took it, by `time.monotonic` of this process;
            ``-inf`` if it never had an owner. By the database's clock it is not earlier.
    """

    __slots__ = ("_database", "_ttl", "epoch", "free_since", "name", "owner")

    def __init__(
        self,
        database: Database,
        name: str,
        owner: str,
        epoch: int,
        ttl: float,
        free_since: float = -inf,
    ) -> None:
        self._database = database
        self._ttl = ttl
        self.name = name
        self.owner = owner
        self.epoch = epoch
        self.free_since = free_since

    @override
    def __repr__(self) -> str:
        return f"Lease({self.name!r}, owner={self.owner!r}, epoch={self.epoch})"

    async def renew(self) -> None:
        """Extend the lease to its time to live from now; call it every third of that time.

        Raises:
            Deposed: Another process has taken it, or it was released.
            Unavailable: The database did not answer; the lease was not extended.
        """
        renewed = await self._database.fetchval(
            STATEMENTS["renew_lease"], self.name, self.owner, self.epoch, self._ttl
        )
        if renewed is None:
            raise Deposed(
                f"lease {self.name!r} is no longer held by {self.owner!r} under epoch {self.epoch}"
            )

    async def release(self) -> None:
        """Release the lease, so that others need not wait; no error if it is lost."""
        await self._database.execute(
            STATEMENTS["release_lease"], self.name, self.owner, self.epoch
        )

    @property
    def fence(self) -> tuple[str, str, int, str]:
        """The arguments of ``assert_lease``, for a function in the database that calls it."""
        return self.name, self.owner, self.epoch, f"{PATIENCE}s"

    async def assert_held(self, connection: Connection) -> None:
        """Ensure that only the holder of this epoch can commit the transaction.

        Call it inside the transaction, before or after its writes; it blocks a takeover until the
        transaction ends. After it, the transaction must not be idle for more than `PATIENCE`
        seconds.

        Raises:
            Deposed: The lease is not held under this epoch; the transaction is aborted.
        """
        await connection.fetchval(STATEMENTS["assert_lease"], *self.fence)


class Leases:
    """The leases of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def acquire(self, name: str, owner: str, ttl: float) -> Lease | None:
        """Take a lease that is free or expired; return None if it is held. Call it again to wait.

        Args:
            name: Its name.
            owner: The new owner, shown to operators. The epoch distinguishes owners: a held lease is
                refused to another process of the same name too.
            ttl: Seconds until it expires unless renewed.

        Raises:
            ValueError: The time to live is not positive.
        """
        taken = await self.acquire_all([name], owner, ttl)
        return taken[0] if taken else None

    async def acquire_all(self, names: Sequence[str], owner: str, ttl: float) -> list[Lease]:
        """Take those of several leases that are free or expired, in one statement.

        Args:
            names: Their names.
            owner: As in `acquire`.
            ttl: As in `acquire`.

        Raises:
            ValueError: The time to live is not positive.
            Unavailable: The database did not answer. What was taken is free after its time to live.
        """
        if ttl <= 0:
            raise ValueError(f"the ttl of a lease must be more than 0 s, not {ttl}")
        rows = await self._database.fetch(STATEMENTS["acquire_leases"], names, owner, ttl)
        now = monotonic()
        return [
            Lease(
                self._database,
                row["name"],
                owner,
                row["epoch"],
                ttl,
                # Negative if the database's clock went back since then: count it as no time.
                -inf if row["free_for"] is None else now - max(0.0, row["free_for"]),
            )
            for row in rows
        ]

    async def depose(self, name: str, owner: str, ttl: float) -> Lease:
        """Take a lease from its holder, if any: for operators who know what the holder does.

        The holder's next fenced write and next renewal raise `Deposed`. Waits for a fenced write
        in progress.

        Raises:
            ValueError: The time to live is not positive.
            Unavailable: The database did not answer, or a fenced write did not end in time.
        """
        if ttl <= 0:
            raise ValueError(f"the ttl of a lease must be more than 0 s, not {ttl}")
        epoch = await self._database.fetchval(STATEMENTS["depose_lease"], name, owner, ttl)
        return Lease(self._database, name, owner, epoch, ttl, monotonic())

    async def release_all(self, owner: str, leases: Sequence[Lease]) -> None:
        """Release several leases of one owner in one statement; no error if some are lost.

        Raises:
            Unavailable: The database did not answer.
        """
        await self._database.execute(
            STATEMENTS["release_leases"],
            [lease.name for lease in leases],
            owner,
            [lease.epoch for lease in leases],
        )

    async def renew_all(self, owner: str, leases: Sequence[Lease], ttl: float) -> list[Lease]:
        """Extend several leases of one owner in one statement; return those that are lost.

        Raises:
            Unavailable: The database did not answer; the leases were not extended.
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
        """Adjust leases that expire later than one time to live from now; return their names.

        Such leases exist only after the database's clock went back by more than a second.

        Raises:
            Unavailable: The database did not answer.
        """
        return [row["name"] for row in await self._database.fetch(STATEMENTS["adjust_leases"])]

    async def held(self, prefix: str) -> dict[str, str]:
        """Return the held leases whose names have a prefix: owner by name."""
        rows = await self._database.fetch(STATEMENTS["held_leases"], prefix)
        return {row["name"]: row["owner"] for row in rows}
