"""Today's routes: the routes file, loaded again when it changes."""

import asyncio
from pathlib import Path

from bridge.errors import RoutesError
from bridge.routes.loading import load_routes
from bridge.routes.table import RouteTable
from bridge.settings.schema import Settings


def load_todays(settings: Settings) -> RouteTable:
    """Return the routes of the settings.

    Raises:
        RoutesError: The file is wrong, or missing.
    """
    return load_routes(
        settings.routes,
        settings.intake.written_sources,
        settings.type_prefix,
        settings.temporal.names,
        closures=settings.closures.enabled,
    )


def routes_or_reason(settings: Settings) -> RouteTable | str:
    """Return the current routes, or why they cannot be read."""
    try:
        return load_todays(settings)
    except RoutesError as error:
        return str(error)


class TodaysRoutes:
    """The routes of the settings, for a process that asks again and again."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._seen: tuple[object, ...] | None = None
        self._loaded: RouteTable | str = "not loaded yet"

    async def table_or_reason(self) -> RouteTable | str:
        """Return the current routes, or why they cannot be read."""
        seen = _stamp(self._settings.routes)
        if seen != self._seen:
            # In a thread: compiling hundreds of expressions takes a while.
            self._loaded = await asyncio.to_thread(routes_or_reason, self._settings)
            self._seen = seen
        return self._loaded


def _stamp(path: Path) -> tuple[object, ...]:
    try:
        found = path.stat()
    except OSError as error:
        return (type(error).__name__,)
    return (found.st_ino, found.st_mtime_ns, found.st_size)
