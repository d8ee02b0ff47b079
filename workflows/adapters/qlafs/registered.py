"""The public keys of all workers that sign, in Postgres: each worker registers its own."""

from collections.abc import Mapping

from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)

from eventstore.database import Database
from workflows.adapters.qlafs.keys import key_id, pem_of, public_key
from workflows.adapters.shared.locks import shared_state_errors
from workflows.sql import STATEMENTS


class KeyRegistration:
    """Registers a worker's public key when the worker starts, before it signs anything.

    Args:
        database: With the tables of the workflows.
        key: The private key that the worker signs with; only its public half is stored.
        worker: Who registers it.
    """

    def __init__(self, database: Database, key: Ed25519PrivateKey, worker: str) -> None:
        self._database = database
        self._key = key.public_key()
        self._worker = worker

    async def start(self) -> None:
        """Register the key, once.

        Raises:
            SharedStateError: Postgres is down.
        """
        with shared_state_errors():
            await self._database.execute(
                STATEMENTS["register_key"],
                key_id(self._key),
                pem_of(self._key).decode(),
                self._worker,
            )

    async def stop(self) -> None:
        """Leave the key registered: its signatures stay."""


async def registered_keys(database: Database) -> Mapping[str, Ed25519PublicKey]:
    """Return the public keys of all workers, by their ids.

    Raises:
        InvalidSettingError: A row has no such key.
    """
    rows = await database.fetch(STATEMENTS["registered_keys"])
    keys = [public_key(row["pem"].encode(), f"the registered key {row['id']}") for row in rows]
    return {key_id(key): key for key in keys}
