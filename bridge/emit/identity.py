"""The ids of emitted events, which nobody outside the bridge can compute beforehand.

An emitted event's id is a UUIDv5 of its place in a run. Run ids are public: Temporal's UI, the
closure events and every subscriber show them. With a public namespace a publisher could send an
event with the id that a run has yet to emit, and the store would refuse the real one. So the
namespace is a random UUID, made by the migration, that only the daemon's database login reads.
"""

from uuid import UUID

from bridge.sql import STATEMENTS
from eventstore.database import Database


class EmitIdentity:
    """Reads the namespace once and keeps it.

    Args:
        database: Where the migration made it.
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
