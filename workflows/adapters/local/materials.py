"""What the resources of a local environment are made of.

==============  ==========================================================================
kind            what is made
==============  ==========================================================================
``bucket``      a folder
``database``    an SQLite database
``volume``      a sparse file of ``size_mb`` MB; refused when the disk has not that much
``endpoint``    nothing, but ``port`` must be free on this machine
any other       its record alone
==============  ==========================================================================

Each is a folder of its own, with a record of what it was made from (``resource.json``). The
record is written last and removed first: what has one is whole.
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
    """Return the resource that is whole in a folder."""
    try:
        return Resource.model_validate_json((folder / RECORD).read_bytes())
    except FileNotFoundError:
        return None


def make(folder: Path, resource: Resource) -> None:
    """Make a resource, or bring the one that is there to what it should be. May be repeated.

    Raises:
        ProvisionRefusedError: It can never be made like this.
    """
    if found(folder) == resource:
        return
    folder.mkdir(parents=True, exist_ok=True)
    files.sync(folder.parent)
    _MAKERS.get(resource.kind, _nothing)(folder, resource)
    files.write(folder / RECORD, resource.model_dump_json(indent=1).encode())


def unmake(folder: Path) -> None:
    """Remove a resource and all that is in it, if it is there."""
    if folder.is_dir():
        files.remove(folder / RECORD)
        files.remove(folder)


def _nothing(folder: Path, resource: Resource) -> None:
    """Make what is a record alone."""


def _bucket(folder: Path, _resource: Resource) -> None:
    (folder / "objects").mkdir(exist_ok=True)


def _database(folder: Path, _resource: Resource) -> None:
    with closing(sqlite3.connect(folder / "database.sqlite3")) as database:
        # Otherwise the file is made by the first table only.
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
        raise ProvisionRefusedError(f"{resource.name}: {port} is no port")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise ProvisionRefusedError(
                f"{resource.name}: port {port} cannot be had: {error.strerror}"
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
