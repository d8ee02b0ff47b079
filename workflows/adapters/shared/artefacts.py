"""Bodies by their digest in an object store: files of releases, plan files, anything immutable."""

import re
from hashlib import sha256

from bridge.runtime.errors import ObjectMissingError
from bridge.runtime.object_store import ObjectStore
from workflows.adapters.shared.locks import shared_state_errors, to_its_end
from workflows.errors import SharedStateError

_DIGEST = re.compile(r"[0-9a-f]{64}")


class Artefacts:
    """Immutable bodies, each under the SHA-256 (hex) of its content."""

    def __init__(self, store: ObjectStore) -> None:
        self.store = store

    async def put(self, body: bytes) -> str:
        """Store a body and return its digest; the same body is stored once.

        Raises:
            SharedStateError: The object store is down or refuses.
        """
        digest = sha256(body).hexdigest()
        with shared_state_errors():
            if not await self.store.has(_key(digest)):
                await to_its_end(self.store.put(_key(digest), body))
        return digest

    async def get(self, digest: str) -> bytes:
        """Return the body of a digest.

        Raises:
            SharedStateError: The object store is down, has no such body, or has another one.
        """
        try:
            with shared_state_errors():
                body = await self.store.get(_key(digest))
        except SharedStateError as error:
            if isinstance(error.__cause__, ObjectMissingError):
                raise SharedStateError(
                    f"{self.store.url} has no artefact {digest}: do all workers use the same "
                    "NTBRIDGE_WORKER_ARTEFACTS?"
                ) from error
            raise
        if sha256(body).hexdigest() != digest:
            raise SharedStateError(f"artefact {digest} in {self.store.url} was changed")
        return body


def _key(digest: str) -> str:
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest!r} is no SHA-256")
    return f"sha256/{digest[:2]}/{digest}"
