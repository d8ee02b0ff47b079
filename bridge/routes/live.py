"""The routes in force in a running daemon: read again when their files change, or on SIGHUP.

Everything is checked before anything is swapped, and the swap is one assignment: a batch of
events is judged by the old routes or by the new ones, never by both. A file that is wrong, or
gone, leaves the old routes in force; the log says so once, and `LiveRoutes.problem` until it
is mended. What was planned stays as it was planned: a dispatch keeps the digest of its route.
"""

import asyncio
from hashlib import sha256
from pathlib import Path

import structlog
from typing_extensions import override

from bridge.errors import RoutesError
from bridge.lifecycle.services import TaskService
from bridge.routes.loading import load_routes
from bridge.routes.model import Route
from bridge.routes.schemas import FOLDER
from bridge.routes.table import RouteTable

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 1.0


class LiveRoutes(TaskService):
    """Keeps the routes of a file, and the schemas beside it, up to date.

    Args:
        path: The routes file.
        every: Seconds between two looks at the files.

    Raises:
        RoutesError: The routes cannot be used; a daemon does not start with such.

    Attributes:
        problem: Why the files as they are now are not in force; None when they are.
    """

    def __init__(self, path: Path, *, every: float = _EVERY_SECONDS) -> None:
        super().__init__("routes")
        self._path = path
        self._every = every
        self._seen = _digest(path)
        self._table = load_routes(path)
        self._asked = asyncio.Event()
        self.reloads = 0
        """How often other routes were put in force."""

    @property
    def table(self) -> RouteTable:
        """The routes in force."""
        return self._table

    def route(self, name: str) -> Route | None:
        """Return the route of a name, as long as it is in force."""
        return self._table.by_name.get(name)

    def look_again(self) -> None:
        """Read the files now, whether or not they have changed: what SIGHUP asks for."""
        self._asked.set()

    @override
    async def run(self) -> None:
        """Look at the files again and again, until stopped."""
        self.ready()
        while not self.stopping.is_set():
            await self._look(anyway=self._asked.is_set())
            await self._rest()

    async def _look(self, *, anyway: bool) -> None:
        self._asked.clear()
        digest = await asyncio.to_thread(_digest, self._path)
        if digest == self._seen and not anyway:
            return
        self._seen = digest
        try:
            table = await asyncio.to_thread(load_routes, self._path)
        except RoutesError as error:
            self.problem = str(error)
            log.error("routes.kept", file=str(self._path), problem=self.problem)
            return
        changes = _changes(self._table, table)
        self._table, self.problem = table, None
        self.reloads += 1
        log.info("routes.reloaded", file=str(self._path), routes=len(table.routes), **changes)

    async def _rest(self) -> None:
        """Wait for the next look, which a wish and the end bring forward."""
        asked = asyncio.create_task(self._asked.wait())
        stopping = asyncio.create_task(self.stopping.wait())
        try:
            await asyncio.wait(
                {asked, stopping},
                timeout=self._every,
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            asked.cancel()
            stopping.cancel()


def _digest(path: Path) -> bytes:
    """Return a digest of all that `load_routes` would read: contents, since times may lie."""
    hasher = sha256()
    for file in (path, *sorted((path.parent / FOLDER).glob("*.json"))):
        try:
            content = file.read_bytes()
        except OSError as error:
            content = str(error.errno).encode()
        hasher.update(b"%d %s %d " % (len(file.name), file.name.encode(), len(content)))
        hasher.update(content)
    return hasher.digest()


def _changes(old: RouteTable, new: RouteTable) -> dict[str, list[str]]:
    """Return the names of the routes that came, went or say something else now."""
    changes = {
        "added": sorted(new.by_name.keys() - old.by_name.keys()),
        "removed": sorted(old.by_name.keys() - new.by_name.keys()),
        "changed": sorted(
            name
            for name in new.by_name.keys() & old.by_name.keys()
            if new.by_name[name].digest != old.by_name[name].digest
        ),
    }
    return {what: names for what, names in changes.items() if names}
