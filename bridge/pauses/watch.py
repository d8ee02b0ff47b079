"""`PauseWatch`: reads the table of pauses every second, for the parts of one daemon."""

from typing import Protocol

import structlog
from typing_extensions import override

from bridge.lifecycle.services import TaskService
from bridge.pauses.store import Held, Pauses
from eventstore.errors import Unavailable

log = structlog.get_logger(__name__)

_EVERY_SECONDS = 1.0


class HeldNow(Protocol):
    """What is paused, as the parts see it. Never waits."""

    @property
    def held(self) -> Held | None:
        """The last answer of the table; None before the first: then nothing may be done."""
        ...


class _Nothing:
    held: Held | None = Held()


HELD_BY_NOTHING: HeldNow = _Nothing()
"""Nothing is ever paused."""


class PauseWatch(TaskService):
    """Keeps the last answer of the table of pauses.

    Args:
        pauses: The table.
        every: Seconds between two reads.
    """

    def __init__(self, pauses: Pauses, *, every: float = _EVERY_SECONDS) -> None:
        super().__init__("pauses")
        self._pauses = pauses
        self._every = every
        self._held: Held | None = None

    @property
    def held(self) -> Held | None:
        """The last answer of the table; None before the first."""
        return self._held

    @override
    async def run(self) -> None:
        """Read the table until stopped."""
        while not self.stopping.is_set():
            try:
                self._note(await self._pauses.held())
                self.problem = None
            except Unavailable as error:
                self.problem = str(error)
            self.ready()
            await self.pause(self._every)

    def _note(self, held: Held) -> None:
        before = () if self._held is None else self._held.all
        for each in held.all:
            if each not in before:
                log.warning(
                    "pauses.paused",
                    **{each.kind: each.name},
                    who=each.who,
                    reason=each.reason,
                    since=each.since.isoformat(),
                )
        for each in before:
            if each not in held.all:
                log.warning("pauses.resumed", **{each.kind: each.name})
        self._held = held
