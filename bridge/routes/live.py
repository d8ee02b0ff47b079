"""The routes in force in a running daemon, reloaded when the files change or on SIGHUP.

All files are checked before the swap, and the swap is one assignment: a batch of events uses
either the old routes or the new ones. If a file is invalid or missing, the old routes stay in force;
this is logged once, and `LiveRoutes.problem` is set until the file is corrected. Planned dispatches
do not change: a dispatch keeps the digest of its route.

How the messages of a running source become events (`bridge.sources.table.DECODING`) changes with the
file too. A source that was added, removed or is to be read otherwise needs a restart, which a log line
says; until then the daemon reads the sources with which it started.
"""

import asyncio
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path

import structlog
from typing_extensions import override

from bridge.errors import RoutesError
from bridge.lifecycle.services import TaskService
from bridge.routes.descriptor_sets import descriptor_files
from bridge.routes.loading import load_routes
from bridge.routes.model import Route
from bridge.routes.schemas import FOLDER
from bridge.routes.table import RouteTable
from bridge.runtime.event_types import DEFAULT_PREFIX
from bridge.settings.source_settings import DEFAULT_SOURCES, SettingsSources
from bridge.sources.reloading import changed_decoding, running

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 1.0


class LiveRoutes(TaskService):
    """Reloads a routes file and the schemas in its folder when they change.

    Args:
        path: The routes file.
        written: The sources in the settings.
        type_prefix: The prefix of the types of events made from messages.
        namespaces: The namespaces that routes can name; see `load_routes`.
        closures: Whether the ends of runs are recorded; see `load_routes`.
        every: Seconds between two checks of the files.

    Raises:
        RoutesError: The routes are invalid at the start; the daemon does not start then.

    Attributes:
        problem: Why the current files are not in force; None if they are.
    """

    def __init__(
        self,
        path: Path,
        written: SettingsSources = DEFAULT_SOURCES,
        type_prefix: str = DEFAULT_PREFIX,
        namespaces: Sequence[str] | None = None,
        *,
        closures: bool = True,
        every: float = _EVERY_SECONDS,
    ) -> None:
        super().__init__("routes")
        self._path = path
        self._namespaces = namespaces
        self._closures = closures
        self._written = written
        self._type_prefix = type_prefix
        self._every = every
        before = _digest(path, ())
        self._table = self._load()
        # A file that changes during the load is loaded again at the first check.
        unchanged = _digest(path, ()) == before
        self._seen = _digest(path, self._descriptor_files()) if unchanged else b""
        self._asked = asyncio.Event()
        self.reloads = 0
        """How often routes were reloaded."""

    @property
    def table(self) -> RouteTable:
        """The routes in force."""
        return self._table

    def route(self, name: str) -> Route | None:
        """Return the route of a name; None if no such route is in force."""
        return self._table.by_name.get(name)

    def look_again(self) -> None:
        """Reload the files now, even if they have not changed. Called on SIGHUP."""
        self._asked.set()

    @override
    async def run(self) -> None:
        """Check the files periodically until stopped."""
        self.ready()
        while not self.stopping.is_set():
            await self._look(anyway=self._asked.is_set())
            await self._rest()

    async def _look(self, *, anyway: bool) -> None:
        self._asked.clear()
        digest = await asyncio.to_thread(_digest, self._path, self._descriptor_files())
        if digest == self._seen and not anyway:
            return
        self._seen = digest
        try:
            table = await asyncio.to_thread(self._load)
        except RoutesError as error:
            self.problem = str(error)
            log.error("routes.kept", file=str(self._path), problem=self.problem)
            return
        sources = running(self._table.sources.settings, table.sources.settings)
        if sources.waiting:
            log.warning(
                "routes.sources_need_restart",
                file=str(self._path),
                sources=sources.waiting,
                next_step="a running daemon changes only 'decode', 'event' and 'unmatched' of a source; restart "
                "it for all else",
            )
        if sources.settings != table.sources.settings:
            table = await asyncio.to_thread(table.with_sources, sources.settings)
        changes = _changes(self._table, table)
        self._table, self.problem = table, None
        self.reloads += 1
        log.info("routes.reloaded", file=str(self._path), routes=len(table.routes), **changes)

    def _descriptor_files(self) -> list[Path]:
        return list(descriptor_files(self._table.sources.settings, self._path.parent))

    def _load(self) -> RouteTable:
        return load_routes(
            self._path,
            self._written,
            self._type_prefix,
            self._namespaces,
            closures=self._closures,
        )

    async def _rest(self) -> None:
        """Wait for the next check; a reload request or the stop ends the wait."""
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


def _digest(path: Path, descriptors: Sequence[Path]) -> bytes:
    """Return a digest of all files that `load_routes` reads; modification times are not reliable."""
    hasher = sha256()
    for file in (path, *sorted((path.parent / FOLDER).glob("*.json")), *descriptors):
        try:
            content = file.read_bytes()
        except OSError as error:
            content = str(error.errno).encode()
        hasher.update(b"%d %s %d " % (len(file.name), file.name.encode(), len(content)))
        hasher.update(content)
    return hasher.digest()


def _changes(old: RouteTable, new: RouteTable) -> dict[str, list[str]]:
    """Return the names of the routes that were added, removed or changed."""
    changes = {
        "added": sorted(new.by_name.keys() - old.by_name.keys()),
        "removed": sorted(old.by_name.keys() - new.by_name.keys()),
        "changed": sorted(
            name
            for name in new.by_name.keys() & old.by_name.keys()
            if new.by_name[name].digest != old.by_name[name].digest
        ),
    }
    sources = changed_decoding(old.sources.settings, new.sources.settings)
    return {what: names for what, names in {**changes, "sources": sources}.items() if names}
