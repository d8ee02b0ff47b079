"""`Pauses`: the table of what people have paused."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Literal, Self

import msgspec

from bridge.dead_letters import storable
from bridge.sql import STATEMENTS
from eventstore.database import Database

PauseKind = Literal["source", "route"]


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """A source or route that somebody paused."""

    kind: PauseKind
    name: str
    since: datetime
    who: str
    reason: str

    @property
    def shown(self) -> str:
        """The pause in words, to follow its kind and name."""
        why = f": {self.reason}" if self.reason else ""
        since = f"{self.since.astimezone(UTC):%Y-%m-%d %H:%M:%SZ}"
        return f"paused since {since} by {self.who}{why}"


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """All pauses, by name."""

    sources: Mapping[str, Pause] = {}
    routes: Mapping[str, Pause] = {}

    @classmethod
    def of(cls, pauses: Iterable[Pause]) -> Self:
        """Return pauses by kind and name."""
        pauses = list(pauses)
        return cls(
            sources={each.name: each for each in pauses if each.kind == "source"},
            routes={each.name: each for each in pauses if each.kind == "route"},
        )

    @property
    def all(self) -> list[Pause]:
        """All pauses, sources first."""
        return [*self.sources.values(), *self.routes.values()]

    def by_route(self, route: str) -> str | None:
        """Return the pause of a route in words; None if it is not paused."""
        pause = self.routes.get(route)
        return None if pause is None else f"route {route} is {pause.shown}"


NO_PAUSES = Held()


class Pauses:
    """The pauses of one database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def held(self) -> Held:
        """Return what is paused.

        Raises:
            Unavailable: The database cannot be reached.
        """
        rows = await self._database.fetch(STATEMENTS["list_pauses"])
        return Held.of(Pause(**dict(row)) for row in rows)

    async def pause(
        self, kind: PauseKind, name: str, *, who: str, via: str, reason: str
    ) -> bool:
        """Pause a source (``SourceSettings.name``) or a route, and record it in the audit.

        Return whether it was not paused before; a pause that is there is not changed.
        """
        return await self._change("pause", kind, name, who, via, reason)

    async def resume(
        self, kind: PauseKind, name: str, *, who: str, via: str, reason: str
    ) -> bool:
        """End a pause, and record it in the audit; return whether there was one."""
        return await self._change("resume", kind, name, who, via, reason)

    async def _change(self, statement: str, *arguments: str) -> bool:
        changed = await self._database.fetchval(
            STATEMENTS[statement], *map(storable, arguments)
        )
        return bool(changed)
