"""Signals by two routes to the same workflows, of which one route, or the source, is paused meanwhile."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import yaml
from typing_extensions import override

from bridge.pauses import PauseKind, Pauses
from eventstore.database import Database
from tests.support import checker, effects, publishing
from tests.support.load_of_signals import TYPE, Signals

TYPE_HELD = "io.quantum-suite.lanes.held.v1"
_FREE_LANES = 4
"""Workflows that the paused route never signals."""


@dataclass
class PausedLoad(Signals):
    """In most lanes every fourth signal, from the third on, is of the route that can be paused."""

    lanes: int = 12
    each: int = 8

    @property
    def held_route(self) -> str:
        """The name of the route that can be paused."""
        return f"{self.bridge.prefix}-held"

    @property
    @override
    def routes(self) -> set[str]:
        return {self.route, self.held_route}

    @property
    def source(self) -> str:
        """The name of the source."""
        [source] = self.bridge.settings.intake.sources
        return source.name

    @override
    async def set_up(self) -> None:
        await super().set_up()
        signal = {"signal": "note", "workflow_id": "data.target"}
        routes = [
            {"name": name, "from": f"events.lanes.{last}", "signal": signal}
            for name, last in ((self.route, "asked"), (self.held_route, "held"))
        ]
        self.bridge.routes_file.write_text(yaml.safe_dump({"routes": routes}))

    @override
    def event(self, target: str, number: int) -> dict[str, Any]:
        is_free = target in self.targets[:_FREE_LANES] or number % 4 != 2
        return publishing.event(
            TYPE if is_free else TYPE_HELD,
            {"target": target},
            id=f"{number:04}",
            source=f"/{target}",
        )

    def passing(self, events: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those of some events that come before the first of the paused route in their lane."""
        held: set[str] = set()
        passing = []
        for each in events:
            target = each["data"]["target"]
            if each["type"] == TYPE_HELD:
                held.add(target)
            if target not in held:
                passing.append(each)
        return passing

    async def recorded_now(self) -> int:
        """How many events are in the store."""
        return len(await checker.stored_events(self.bridge))

    async def assert_exactly(self, events: Iterable[dict[str, Any]]) -> None:
        """Assert that Temporal has the signals of these events, once each, and no other."""
        done = await effects.signalled(self.temporal, self.targets)
        wanted = Counter((event["data"]["target"], event["id"]) for event in events)
        found = Counter((each.workflow_id, each.event) for each in done)
        assert found == wanted, f"missing {wanted - found}, too many {found - wanted}"

    async def assert_recorded_in_order(self) -> None:
        """Assert that each message was answered once, and that positions follow the stream."""
        answers = await checker.deliveries(self.bridge)
        assert [each["sequence"] for each in answers] == list(range(1, len(self.events) + 1))
        stored = await checker.stored_events(self.bridge)
        assert [(each["event"]["source"], each["event"]["id"]) for each in stored] == [
            (event["source"], event["id"]) for event in self.events
        ]

    async def pause(self, kind: PauseKind, name: str) -> None:
        """Pause, as a person would."""
        await self._change("pause", kind, name)

    async def resume(self, kind: PauseKind, name: str) -> None:
        """Resume, as a person would."""
        await self._change("resume", kind, name)

    async def _change(self, verb: str, kind: PauseKind, name: str) -> None:
        database = await Database.connect(self.bridge.database_url, deadline=60)
        try:
            pauses = Pauses(database)
            change = pauses.pause if verb == "pause" else pauses.resume
            assert await change(kind, name, who="ada", via="command line", reason="a test")
        finally:
            await database.close()
