"""The ids of emitted events, which only the bridge can compute in advance.

An emitted event's id is a UUIDv5 of its place in a run. Run ids are public: Temporal's UI, closure
events and subscribers show them. With a public namespace, a publisher could send an event with the id
of a future emit, and the store would refuse the real one. Therefore the namespace is a random UUID,
created by the migration, that only the daemon's database login can read.
"""

from uuid import UUID

from bridge.sql import STATEMENTS
from eventstore.database import Database


class EmitIdentity:
    """Reads the namespace once and keeps it.

    Args:
        database: Holds the namespace.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._namespace: UUID | None = None

    async def namespace(self) -> UUID:
        """Return the namespace of this store's emitted events.

        Raises:
            Unavailable: The database did not answer.
        """
        if self._namespace is None:
            found = await self._database.fetchval(STATEMENTS["emit_namespace"])
            self._namespace = UUID(int=found.int)
        return self._namespace
