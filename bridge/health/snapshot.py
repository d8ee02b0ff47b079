"""What the probes saw. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something cannot be used, and what helps."""

    what: str
    to_do: str


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source of events.

    Attributes:
        name: Its name.
        led: Whether this daemon fetches from it now; only then the rest is known.
        problem: Its stream is missing, say.
        messages: How many of its messages are not recorded yet.
        seconds: How long the oldest of them has been waiting.
        held_back: Whether they have to wait because too many dispatches are open.
    """

    name: str
    led: bool = False
    problem: Problem | None = None
    messages: int = 0
    seconds: float = 0.0
    held_back: bool = False


@dataclass(frozen=True, slots=True)
class StoreState:
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
class Snapshot:
    """What the probes saw at one time.

    Attributes:
        postgres: What is wrong with it; None when it answers.
        nats: Likewise.
        temporal: Likewise.
        store: What was read in Postgres, when it answered.
        sources: The sources that are configured, when NATS answered.
        results: What is wrong with the stream that the relay writes to.
    """

    postgres: Problem | None = None
    nats: Problem | None = None
    temporal: Problem | None = None
    store: StoreState | None = None
    sources: tuple[SourceState, ...] = ()
    results: Problem | None = None
