"""How far each source is recorded, and where it began: the table ``source_progress``."""

from datetime import datetime
from typing import Protocol

from bridge.intake.placement import LastRecorded, StartingPoint
from bridge.settings.schema import SourceSettings
from bridge.sql import STATEMENTS
from eventstore.database import Connection, Database


class Tenure(Protocol):
    """The lease under which a source is read; see `eventstore.leases.Lease`."""

    @property
    def epoch(self) -> int:
        """Larger than that of each earlier leader."""
        ...

    async def renew(self) -> None:
        """Check that the lease is still held, and renew it.

        Raises:
            Deposed: The lease is lost.
            Unavailable: The database is unavailable.
        """
        ...

    async def assert_held(self, connection: Connection) -> None:
        """Ensure that only the holder of this epoch can commit the transaction.

        Raises:
            Deposed: The lease is lost.
        """
        ...


class ProgressStore(Protocol):
    """How far sources are recorded. Each method raises `Unavailable` if the database is."""

    async def last_recorded(
        self, source: SourceSettings, created: datetime, /
    ) -> LastRecorded | None:
        """Return the last recorded message of a source, or its start; None if it has none."""
        ...

    async def was_read(self, source: SourceSettings, /) -> bool:
        """Return whether a source was read before, also from an earlier stream of this name."""
        ...

    async def begin(
        self, source: SourceSettings, created: datetime, start: StartingPoint, lease: Tenure, /
    ) -> None:
        """Store where a source begins, unless that is stored already; raises `Deposed`."""
        ...

    async def save_seen(
        self, source: SourceSettings, created: datetime, through: int, lease: Tenure, /
    ) -> None:
        """Store that every message of a source up to a sequence is recorded; raises `Deposed`."""
        ...


class SourceProgress:
    """Reads the progress of sources, and stores where they begin."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def last_recorded(
        self, source: SourceSettings, created: datetime
    ) -> LastRecorded | None:
        """Return the last recorded message of a source, or its start; None if it has none.

        Raises:
            Unavailable: The database is unavailable.
        """
        row = await self._database.fetchrow(
            STATEMENTS["source_progress"], source.stream, created, source.durable
        )
        if row is None:
            return None
        start = StartingPoint(row["first_sequence"], row["first_ns"])
        return LastRecorded(row["sequence"], row["arrived_ns"], start, row["seen_through"])

    async def was_read(self, source: SourceSettings) -> bool:
        """Return whether a source was read before, also from an earlier stream of this name.

        Raises:
            Unavailable: The database is unavailable.
        """
        found: bool = await self._database.fetchval(
            STATEMENTS["source_was_read"], source.stream, source.durable
        )
        return found

    async def begin(
        self, source: SourceSettings, created: datetime, start: StartingPoint, lease: Tenure
    ) -> None:
        """Store where a source begins, unless that is stored already.

        Raises:
            Deposed: The lease of the source is lost; nothing was written.
            Unavailable: The database is unavailable; call again.
        """
        async with self._database.transaction() as connection:
            await lease.assert_held(connection)
            await connection.execute(
                STATEMENTS["begin_source"],
                source.stream,
                created,
                source.durable,
                start.sequence,
                start.time_ns,
            )

    async def save_seen(
        self, source: SourceSettings, created: datetime, through: int, lease: Tenure
    ) -> None:
        """Store that every message of a source up to a sequence of its stream is recorded.

        Raises:
            Deposed: The lease of the source is lost; nothing was written.
            Unavailable: The database is unavailable.
        """
        async with self._database.transaction() as connection:
            await lease.assert_held(connection)
            await connection.execute(
                STATEMENTS["save_seen_through"], source.stream, created, source.durable, through
            )
