"""Refuses a worker whose object store is not the one that the other workers use."""

import uuid

from bridge.runtime.errors import ObjectMissingError
from bridge.runtime.object_store import ObjectStore
from eventstore.database import Database
from workflows.adapters.shared.locks import shared_state_errors
from workflows.errors import InvalidSettingError
from workflows.sql import STATEMENTS

ID = "artefact-store-id"
"""The object with the store's id. A copy of all objects keeps it, so a store can be moved."""


class SameStore:
    """Compares the store's id with the one in Postgres when the worker starts.

    Args:
        database: With the tables of the workflows.
        store: This worker's object store.
        worker: Who registers it, if it is the first.
    """

    def __init__(self, database: Database, store: ObjectStore, worker: str) -> None:
        self._database = database
        self._store = store
        self._worker = worker

    async def start(self) -> None:
        """Register the store, or compare it with the registered one.

        Raises:
            InvalidSettingError: Other workers use another store.
            SharedStateError: Postgres or the store is down.
        """
        with shared_state_errors():
            known = await self._database.fetchrow(STATEMENTS["registered_store"])
            if known is None:
                await self._store.put(ID, str(uuid.uuid4()).encode(), overwrite=False)
                await self._database.execute(
                    STATEMENTS["register_store"],
                    await self._own_id(),
                    self._store.url,
                    self._worker,
                )
                known = await self._database.fetchrow(STATEMENTS["registered_store"])
            own = await self._own_id()
        if known is not None and known["id"] != own:
            raise InvalidSettingError(
                f"NTBRIDGE_WORKER_ARTEFACTS: {self._store.url} is not the object store of the "
                f"other workers, which {known['worker']} registered as {known['url']}. All "
                "workers need the same one: a folder that they share, or s3://…, gs://…, az://…. "
                "To move a store, copy all its objects. If its content is lost, write "
                f"{known['id']} into the object {ID} of the new one"
            )

    async def stop(self) -> None:
        """Leave the store registered."""

    async def _own_id(self) -> str:
        try:
            return (await self._store.get(ID)).decode().strip()
        except ObjectMissingError:
            return "none"
