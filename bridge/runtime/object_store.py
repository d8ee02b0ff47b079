"""A store of objects by key: a folder, or a bucket of S3, Google Cloud Storage or Azure.

``ObjectStore.open`` takes a URL: ``file:///var/lib/ntbridge`` (or a path), ``s3://bucket/prefix``,
``gs://…``, ``az://…``. Credentials, region and endpoint come from the providers' own variables
(``AWS_ACCESS_KEY_ID``, ``AWS_REGION``, ``AWS_ENDPOINT_URL``, ``AWS_ALLOW_HTTP``, …).

*A put is all or nothing, and durable when it returns.* A reader sees the old object or the whole
new one. *A cancelled put may still take effect.* Keys are paths with ``/``; no part may be empty,
``.`` or ``..``.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, from_url
from obstore.store import ObjectStore as Store

from bridge.runtime.errors import ObjectMissingError, ObjectStoreError
from bridge.runtime.object_url import check_url

if TYPE_CHECKING:  # only in the package's type stubs
    from obstore.store import RetryConfig

_PATIENCE = 30
"""Seconds within which a request is retried."""
_MULTIPART = 8 * 2**20
"""Bytes from which an object is sent in parts."""


@dataclass(frozen=True)
class StoredObject:
    """An object in a listing; its size is in bytes."""

    key: str
    size: int


class ObjectStore:
    """Objects by key. Create it with ``open``.

    Attributes:
        url: Where it is, without credentials.
        folder: The folder that it uses; None if it is not on this machine's disk.
    """

    def __init__(self, store: Store, url: str, folder: Path | None) -> None:
        self._store = store
        self.url = url
        self.folder = folder

    @classmethod
    def open(cls, url: str, *, retries: int = 3) -> Self:
        """Open a store without connecting; a folder is created if it is missing.

        Args:
            url: Where it is; a path names a folder.
            retries: How often a request that failed is sent again.

        Raises:
            ObjectStoreError: The URL is wrong, or the folder cannot be created.
        """
        check_url(url)
        parts = urlsplit(url)
        try:
            if parts.scheme in {"", "file"}:
                folder = Path(unquote(parts.path) if parts.scheme else url).absolute()
                return cls(LocalStore(folder, mkdir=True), folder.as_uri(), folder)
            patience = timedelta(seconds=_PATIENCE)
            retry: RetryConfig = {"max_retries": retries, "retry_timeout": patience}
            return cls(from_url(url, retry_config=retry), url, None)
        except (BaseError, OSError, ValueError, TypeError) as error:
            raise ObjectStoreError(
                f"the object store {url} cannot be opened: {error}"
            ) from error

    async def put(self, key: str, body: bytes, *, overwrite: bool = True) -> bool:
        """Store an object; return False if it exists and may not be overwritten.

        Raises:
            ObjectStoreError: The store does not answer or refuses.
        """
        with self._translated(key):
            try:
                await obstore.put_async(
                    self._store,
                    _checked(key),
                    body,
                    mode="overwrite" if overwrite else "create",
                    use_multipart=len(body) >= _MULTIPART and overwrite,
                )
            except AlreadyExistsError:
                return False
            if self.folder is not None:
                await asyncio.to_thread(_sync, self.folder / key, self.folder)
        return True

    async def get(self, key: str) -> bytes:
        """Return an object's content.

        Raises:
            ObjectMissingError: There is no such object.
            ObjectStoreError: The store does not answer or refuses.
        """
        with self._translated(key):
            found = await obstore.get_async(self._store, _checked(key))
            return bytes(await found.bytes_async())

    async def has(self, key: str) -> bool:
        """Return whether an object exists.

        Raises:
            ObjectStoreError: The store does not answer or refuses.
        """
        with self._translated(key), suppress(FileNotFoundError):
            await obstore.head_async(self._store, _checked(key))
            return True
        return False

    async def size(self, key: str) -> int:
        """Return the size of an object in bytes.

        Raises:
            ObjectMissingError: There is no such object.
            ObjectStoreError: The store does not answer or refuses.
        """
        with self._translated(key):
            return int((await obstore.head_async(self._store, _checked(key)))["size"])

    async def list(self, prefix: str = "") -> AsyncIterator[StoredObject]:
        """Yield the objects below a prefix of whole path parts, in no particular order.

        Raises:
            ObjectStoreError: The store does not answer or refuses.
        """
        with self._translated(prefix):
            async for chunk in obstore.list(self._store, prefix=prefix or None):
                for each in chunk:
                    yield StoredObject(str(each["path"]), int(each["size"]))

    async def delete(self, key: str) -> None:
        """Delete an object; do nothing if there is none.

        Raises:
            ObjectStoreError: The store does not answer or refuses.
        """
        with self._translated(key), suppress(FileNotFoundError):
            await obstore.delete_async(self._store, _checked(key))

    async def delete_below(self, prefix: str) -> int:
        """Delete all objects below a prefix of whole path parts; return how many there were.

        Raises:
            ObjectStoreError: The store does not answer or refuses.
        """
        found = [each.key async for each in self.list(_checked(prefix))]
        for key in found:
            await self.delete(key)
        return len(found)

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            raise ObjectMissingError(f"{self.url} has no object {key}") from error
        except (BaseError, OSError) as error:
            raise ObjectStoreError(f"{self.url}, object {key}: {error}") from error


def _checked(key: str) -> str:
    """Return a key if it is a path within the store.

    Raises:
        ObjectStoreError: It is not.
    """
    if any(part in {"", ".", ".."} for part in key.split("/")) or "\0" in key:
        raise ObjectStoreError(f"{key!r} is not the key of an object")
    return key


def _sync(path: Path, above: Path) -> None:
    """Make a file, and the folders that may be new, durable."""
    for each in (path, *path.parents):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if each == above:
            return
