"""What one look around the house saw. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why something cannot be used, and what helps."""

    what: str
    to_do: str


@dataclass(frozen=True, slots=True)
class SourceSight:
    """A source of events.

    Attributes:
        name: Its name.
        led: Whether this daemon fetches from it now; only then the rest is known.
        trouble: Its stream is missing, say.
        messages: How many of its messages are not recorded yet.
        seconds: How long the oldest of them has been waiting.
        held_back: Whether they have to wait because too many dispatches are open.
    """

    name: str
    led: bool = False
    trouble: Trouble | None = None
    messages: int = 0
    seconds: float = 0.0
    held_back: bool = False


@dataclass(frozen=True, slots=True)
class StoreSight:
    """What the tables say, of all daemons together.

    Attributes:
        open: Dispatches to be done.
        waiting: Dispatches that wait for their target.
        oldest: Seconds since the oldest open one was planned.
        letters: Open dead letters, by stage.
        relay_positions: Result events that are not on NATS yet.
        relay_seconds: How long the oldest of them has been stored.
        fence_seconds: Age of the oldest transaction that holds readers of the log back.
        fence_holder: Who that is.
        leases: Owners by the names of the leases that are held.
    """

    open: int = 0
    waiting: int = 0
    oldest: float = 0.0
    letters: Mapping[str, int] = field(default_factory=dict)
    relay_positions: int = 0
    relay_seconds: float = 0.0
    fence_seconds: float = 0.0
    fence_holder: str = ""
    leases: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sight:
    """One look around.

    Attributes:
        postgres: What is wrong with it; None when it answers.
        nats: Likewise.
        temporal: Likewise.
        store: What was read in Postgres, when it answered.
        sources: The sources that are configured, when NATS answered.
        results: What is wrong with the stream that the relay writes to.
    """

    postgres: Trouble | None = None
    nats: Trouble | None = None
    temporal: Trouble | None = None
    store: StoreSight | None = None
    sources: tuple[SourceSight, ...] = ()
    results: Trouble | None = None
