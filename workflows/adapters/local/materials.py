"""The resources of local environments.

==============  ==========================================================================
kind            implementation
==============  ==========================================================================
``bucket``      a folder
``database``    an SQLite database
``volume``      a sparse file of ``size_mb`` MB; refused if the disk has less free space
``endpoint``    none, but ``port`` must be free on this machine
any other       its record only
==============  ==========================================================================

Each has its own folder, with a record of its definition (``resource.json``). The record is written
last and removed first, so a resource with a record is complete.
"""

import os
import shutil
import socket
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from pydantic import JsonValue

from workflows.adapters.local import files
from workflows.errors import ProvisionRefusedError
from workflows.messages.infra import Resource

RECORD = "resource.json"
_MB = 2**20
_PORTS = range(1, 65536)


def found(folder: Path) -> Resource | None:
    """Return the complete resource in a folder, if any."""
    try:
        return Resource.model_validate_json((folder / RECORD).read_bytes())
    except FileNotFoundError:
        return None


def make(folder: Path, resource: Resource) -> None:
    """Create a resource, or change the existing one to its definition. Safe to repeat.

    Raises:
        ProvisionRefusedError: It cannot be created as defined.
    """
    if found(folder) == resource:
        return
    folder.mkdir(parents=True, exist_ok=True)
    files.sync(folder.parent)
    _MAKERS.get(resource.kind, _nothing)(folder, resource)
    files.write(folder / RECORD, resource.model_dump_json(indent=1).encode())


def unmake(folder: Path) -> None:
    """Remove a resource and its content, if it exists."""
    if folder.is_dir():
        files.remove(folder / RECORD)
        files.remove(folder)


def _nothing(folder: Path, resource: Resource) -> None:
    """Create nothing: the resource is its record only."""


def _bucket(folder: Path, _resource: Resource) -> None:
    (folder / "objects").mkdir(exist_ok=True)


def _database(folder: Path, _resource: Resource) -> None:
    with closing(sqlite3.connect(folder / "database.sqlite3")) as database:
        # Otherwise the file is created only with the first table.
        database.execute("pragma user_version = 1")


def _volume(folder: Path, resource: Resource) -> None:
    size = _whole_number(resource, "size_mb") * _MB
    free = shutil.disk_usage(folder).free
    if size > free:
        raise ProvisionRefusedError(
            f"{resource.name}: a volume of {size // _MB} MB does not fit, {free // _MB} MB are free"
        )
    descriptor = os.open(folder / "volume.img", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        os.truncate(descriptor, size)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _endpoint(_folder: Path, resource: Resource) -> None:
    port = _whole_number(resource, "port")
    if port not in _PORTS:
        raise ProvisionRefusedError(f"{resource.name}: {port} is not a port")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ProvisionRefusedError(
                f"{resource.name}: port {port} cannot be used: {error.strerror}"
            ) from error


def _whole_number(resource: Resource, name: str) -> int:
    value: JsonValue = resource.properties.get(name)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ProvisionRefusedError(
            f"{resource.name}: a {resource.kind} needs {name}, a whole number"
        )
    return value


_MAKERS: dict[str, Callable[[Path, Resource], None]] = {
    "bucket": _bucket,
    "database": _database,
    "volume": _volume,
    "endpoint": _endpoint,
}
