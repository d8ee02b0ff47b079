"""What the probes saw at one time. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something cannot be used, and what helps."""

    what: str
    to_do: str


@dataclass(frozen=True, slots=True)
class ServerState:
    """What Postgres says of itself.

    Attributes:
        version: Of the server.
        connections: Connections of all programs.
        usable: Connections that programs without superuser rights may have.
        xid_age: Age of the oldest transaction id that is not frozen; Postgres stops all writes
            shortly before 2³¹.
        without_standby: Whether commits wait for a synchronous standby, and none is connected.
        skew_seconds: How far its clock is ahead of this machine's.
    """

    version: str = ""
    connections: int = 0
    usable: int = 1
    xid_age: int = 0
    without_standby: bool = False
    skew_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class StreamState:
    """A JetStream stream.

    Attributes:
        name: As the server has it.
        problem: Why it cannot be used at all, when it was found missing, say.
        messages: How many it holds.
        bytes: How many bytes they have.
        fill: The part of its tightest limit that is used, 0 to 1; 0 without a limit.
        limit: That limit, in words.
        refuses: Why it takes no message now (it is full or sealed); empty when it takes them.
    """

    name: str
    problem: Problem | None = None
    messages: int = 0
    bytes: int = 0
    fill: float = 0.0
    limit: str = ""
    refuses: str = ""


@dataclass(frozen=True, slots=True)
class SourceState:
    """A source of events.

    Attributes:
        name: Its name.
        led: Whether this daemon leads there.
        attached: Whether this daemon fetches from it now.
        stream: Its stream; None when NATS does not answer.
        has_consumer: Whether it has a consumer on the server: the first leader to attach makes it.
        problem: Why nothing can be fetched, in the words of whom it came from.
        messages: How many of its messages are not recorded yet.
        seconds: How long the oldest of them has been waiting; known by the daemon that leads.
        held_back: Whether they have to wait because too many dispatches are open.
    """

    name: str
    led: bool = False
    attached: bool = False
    stream: StreamState | None = None
    has_consumer: bool = False
    problem: Problem | None = None
    messages: int = 0
    seconds: float = 0.0
    held_back: bool = False


@dataclass(frozen=True, slots=True)
class QueueState:
    """A task queue of Temporal that routes start workflows on.

    Attributes:
        name: Its name.
        routes: The routes that name it.
        pollers: How many workers have polled it lately; None when Temporal does not say.
    """

    name: str
    routes: tuple[str, ...] = ()
    pollers: int | None = None


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
        free_seconds: How long the partition that has been free the longest has had no owner.
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
    free_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the probes saw at one time.

    Attributes:
        postgres: What is wrong with it; None when it answers and takes writes.
        nats: Likewise.
        temporal: Likewise.
        schema: What is wrong with the tables; None when they are this program's.
        schema_is_newer: Whether that is only that a newer release has migrated them.
        server: What Postgres says of itself, when it answered.
        database_time: The time by the database's clock, when it answered.
        clock_went_back: Seconds by which the database's clock went back lately.
        store: What was read in the tables, when they answered.
        sources: The sources that are configured, when NATS answered.
        streams: The bridge's own streams but for the sources, when NATS answered.
        jetstream: What is wrong with JetStream as a whole.
        attributes: What is wrong with the search attributes; None when unknown.
        queues: The task queues that routes name, when Temporal answered.
        parts: Why parts of this daemon cannot do their work, by their names.
    """

    postgres: Problem | None = None
    nats: Problem | None = None
    temporal: Problem | None = None
    schema: Problem | None = None
    schema_is_newer: bool = False
    server: ServerState | None = None
    database_time: datetime | None = None
    clock_went_back: float = 0.0
    store: StoreState | None = None
    sources: tuple[SourceState, ...] = ()
    streams: tuple[StreamState, ...] = ()
    jetstream: Problem | None = None
    attributes: tuple[Problem, ...] | None = None
    queues: tuple[QueueState, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
