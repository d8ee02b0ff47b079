"""The resources of local environments: objects below a location in the object store.

=========  ===================================================================================
bucket     the objects below ``objects/``
database   ``database.sqlite3``, an SQLite database; services open it where the store is a folder
volume     ``volume.img``, a file of that size; needs a store that is a folder
endpoint   its port is reserved, over all environments
=========  ===================================================================================

The record of the definition, ``resource.json``, is written last and removed first.
"""

import os
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from pydantic import JsonValue

from bridge.runtime.object_store import ObjectStore
from workflows.adapters.shared.ledger import SliceLedger
from workflows.adapters.shared.locks import to_its_end
from workflows.errors import ProvisionRefusedError
from workflows.messages.infra import Resource

RECORD = "resource.json"
DATABASE = "database.sqlite3"
VOLUME = "volume.img"
_MB = 2**20
_PORTS = range(1, 65536)


class Materials:
    """Creates, changes and removes the content of resources.

    Args:
        store: Where it is.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store

    async def make(self, location: str, resource: Resource, ledger: SliceLedger) -> None:
        """Create a resource, or change the existing one to its definition. Safe to repeat.

        Raises:
            ProvisionRefusedError: It cannot be created as defined.
        """
        if resource.kind == "database":
            await self._make_database(f"{location}/{DATABASE}")
        elif resource.kind == "volume":
            size = _whole_number(resource, "size_mb") * _MB
            await to_its_end(self._make_volume(location, resource.name, size))
        elif resource.kind == "endpoint":
            await _reserve(resource, ledger)
        record = resource.model_dump_json(indent=1).encode()
        await to_its_end(self._store.put(f"{location}/{RECORD}", record))

    async def unmake(self, location: str) -> None:
        """Remove a resource and its content, if it exists."""
        await to_its_end(self._remove(location))

    async def _remove(self, location: str) -> None:
        await self._store.delete(f"{location}/{RECORD}")
        await self._store.delete_below(location)
        if self._store.folder is not None:  # an object store has no empty folders
            shutil.rmtree(self._store.folder / location, ignore_errors=True)

    async def _make_database(self, key: str) -> None:
        if await self._store.has(key):
            return
        with closing(sqlite3.connect(":memory:")) as database:
            # Otherwise the database has no page yet.
            database.execute("pragma user_version = 1")
            empty = database.serialize()
        await to_its_end(self._store.put(key, empty, overwrite=False))

    async def _make_volume(self, location: str, name: str, size: int) -> None:
        if self._store.folder is None:
            raise ProvisionRefusedError(
                f"{name}: a volume needs an object store that is a folder, not {self._store.url}"
            )
        folder = self._store.folder / location
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
        if size > free:
            raise ProvisionRefusedError(
                f"{name}: a volume of {size // _MB} MB does not fit, {free // _MB} MB are free"
            )
        _truncate(folder / VOLUME, size)


async def _reserve(resource: Resource, ledger: SliceLedger) -> None:
    port = _whole_number(resource, "port")
    if port not in _PORTS:
        raise ProvisionRefusedError(f"{resource.name}: {port} is not a port")
    if not await ledger.reserve_port(port, resource.name):
        raise ProvisionRefusedError(
            f"{resource.name}: port {port} is reserved for another endpoint"
        )


def port_of(resource: Resource) -> int | None:
    """Return the port that a resource reserves, if any."""
    port = resource.properties.get("port")
    reserves = resource.kind == "endpoint" and type(port) is int and port in _PORTS
    return port if reserves and isinstance(port, int) else None


def _truncate(path: Path, size: int) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.truncate(descriptor, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _whole_number(resource: Resource, name: str) -> int:
    properties: Mapping[str, JsonValue] = resource.properties
    value = properties.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ProvisionRefusedError(
            f"{resource.name}: a {resource.kind} needs {name}, a whole number"
        )
    return value
