"""`ObjectDriver`: stores payloads for Temporal's External Storage in an `ObjectStore`."""

import asyncio
from collections.abc import Mapping, Sequence
from hashlib import sha256
from urllib.parse import quote, urlsplit

from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    ExternalStorage,
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)
from typing_extensions import override

from bridge.runtime.errors import ObjectStoreError, PayloadTooLargeError
from bridge.runtime.object_store import ObjectStore
from bridge.runtime.payload_store.settings import PayloadSettings

MAX_BYTES = 50 * 2**20
"""The largest payload that is stored, as in the SDKs' drivers: it must fit into memory several times."""

_NAMES = {"s3": "aws.s3driver", "gs": "gcp.gcsdriver"}
"""The drivers whose references are written for a kind of store, by the URL's scheme."""
_OWN_NAME = "ntbridge.objects"
_KEY_MEMBER = {"gcp.gcsdriver": "object_name"}
_ALGORITHM = "sha256"


class ObjectDriver(StorageDriver):
    """Stores payloads by their digest; a payload that is there is not stored again.

    Args:
        url: The object store; for S3 and Google Cloud Storage, a bucket and a prefix of keys.
        namespace: Temporal's namespace, a part of the keys.

    Raises:
        ObjectStoreError: The URL is wrong, or the folder cannot be created.
    """

    def __init__(self, url: str, namespace: str) -> None:
        parts = urlsplit(url)
        self._name = _NAMES.get(parts.scheme, _OWN_NAME)
        self._bucket = parts.netloc
        # The references of the SDKs' drivers name bucket and whole key, also those of other programs.
        has_bucket = self._name != _OWN_NAME
        self._store = ObjectStore.open(
            f"{parts.scheme}://{parts.netloc}" if has_bucket else url
        )
        prefix = [parts.path.strip("/")] if has_bucket and parts.path.strip("/") else []
        self._prefix = "/".join([*prefix, "v0", "ns", quote(namespace, safe="!-_.*'()"), "d"])

    @property
    def url(self) -> str:
        """Where the store is, without credentials."""
        return self._store.url

    @override
    def name(self) -> str:
        return self._name

    @override
    def type(self) -> str:
        return self._name

    @override
    async def store(
        self, context: StorageDriverStoreContext, payloads: Sequence[Payload]
    ) -> list[StorageDriverClaim]:
        return await asyncio.gather(*map(self._stored, payloads))

    @override
    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        return await asyncio.gather(*(self._payload(each.claim_data) for each in claims))

    async def delete(self, claim: Mapping[str, str]) -> None:
        """Delete the payload of a reference; do nothing if it is gone.

        Raises:
            ObjectStoreError: The store does not answer, or the reference is of another bucket.
        """
        await self._store.delete(self._key_of(claim))

    async def _stored(self, payload: Payload) -> StorageDriverClaim:
        body = payload.SerializeToString()
        if len(body) > MAX_BYTES:
            raise PayloadTooLargeError(
                f"a payload has {len(body)} bytes; at most {MAX_BYTES} are stored"
            )
        digest = sha256(body).hexdigest()
        key = f"{self._prefix}/{_ALGORITHM}/{digest}"
        if not await self._store.has(key):
            await self._store.put(key, body)
        place = {_KEY_MEMBER.get(self._name, "key"): key}
        if self._name != _OWN_NAME:
            place["bucket"] = self._bucket
        return StorageDriverClaim({**place, "hash_algorithm": _ALGORITHM, "hash_value": digest})

    async def _payload(self, claim: Mapping[str, str]) -> Payload:
        """Return the payload of a reference.

        Raises:
            ObjectMissingError: The store no longer has it.
            ObjectStoreError: The store does not answer, the reference is of another bucket, or the
                object is not what was stored.
        """
        key = self._key_of(claim)
        body = await self._store.get(key)
        if claim.get("hash_algorithm") != _ALGORITHM or (
            sha256(body).hexdigest() != claim.get("hash_value")
        ):
            raise ObjectStoreError(
                f"{self.url}, object {key}: it is not what the reference says (another digest)"
            )
        return Payload.FromString(body)

    def _key_of(self, claim: Mapping[str, str]) -> str:
        bucket = claim.get("bucket", self._bucket)
        if bucket != self._bucket:
            raise ObjectStoreError(
                f"a payload is in the bucket {bucket!r}, but payloads.store is {self.url}"
            )
        return claim.get(_KEY_MEMBER.get(self._name, "key"), "")


def external_storage(settings: PayloadSettings, namespace: str) -> ExternalStorage | None:
    """Return what a data converter needs; None without a store.

    Raises:
        ObjectStoreError: The folder of the store cannot be created.
    """
    if settings.store is None:
        return None
    return ExternalStorage(
        drivers=[ObjectDriver(settings.store, namespace)],
        payload_size_threshold=settings.threshold,
    )
