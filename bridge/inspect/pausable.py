"""What can be paused: sources and routes, by the names that people give."""

from collections.abc import Mapping

import msgspec

from bridge.inspect.activity import Activity
from bridge.inspect.todays_routes import TodaysRoutes
from bridge.pauses import PauseKind, Pauses
from bridge.settings.schema import Settings
from bridge.settings.source_settings import SourceSettings
from eventstore.database import Database


class Pausable(msgspec.Struct, frozen=True, kw_only=True):
    """The full names of all sources and routes, and the names that people may give instead.

    A source or route that is paused and no longer exists is among them, so that it can be resumed.
    A route that has left its file is among them while its dispatches wait.
    """

    sources: Mapping[str, frozenset[str]]
    routes: Mapping[str, frozenset[str]]
    fault: str | None = None
    """Why the routes file cannot be read; then its routes and sources are missing here."""

    def of(self, kind: PauseKind) -> Mapping[str, frozenset[str]]:
        """Return the names of one kind."""
        return self.sources if kind == "source" else self.routes

    def find(self, kind: PauseKind, name: str) -> list[str]:
        """Return the full names that a name may mean."""
        return sorted(full for full, names in self.of(kind).items() if name in names)


async def find_pausable(
    settings: Settings, database: Database, todays: TodaysRoutes
) -> Pausable:
    """Return what can be paused.

    Args:
        settings: The settings, with or without the sources of the routes file.
        database: The pauses, and the dispatches that wait.
        todays: The current routes.

    Raises:
        Unavailable: The database cannot be reached.
    """
    table = await todays.table_or_reason()
    fault = table if isinstance(table, str) else None
    own = settings if isinstance(table, str) else settings.with_sources(table.sources.settings)
    held = await Pauses(database).held()
    pending = await Activity(database).pending_by_route()
    sources = {each: frozenset({each, each.partition("/")[0]}) for each in held.sources}
    sources |= {each.name: _names(each) for each in own.intake.sources}
    routes = {*held.routes, *(each.route for each in pending)}
    if not isinstance(table, str):
        routes |= {each.name for each in table.routes}
    return Pausable(
        sources=sources,
        routes={each: frozenset({each}) for each in routes},
        fault=fault,
    )


def _names(source: SourceSettings) -> frozenset[str]:
    return frozenset({source.name, source.stream, source.shown})
