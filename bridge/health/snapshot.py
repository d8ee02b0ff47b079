"""The result of the probes at one time. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bridge.health.table_checks import TableState
from bridge.runtime.strict import DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something cannot be used, and the remedy."""

    what: str
    to_do: str


@dataclass(frozen=True, slots=True)
class ServerState:
    """The state of the Postgres server.

    Attributes:
        version: The server's version.
        connections: The open connections of all programs.
        usable: The most connections for roles without superuser rights.
        xid_age: The age of the oldest transaction id that is not frozen; Postgres stops all writes
            shortly before 2³¹.
        without_standby: Whether commits wait for a synchronous standby while none is connected.
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
        name: Its name on the server.
        problem: Why it cannot be used (it is missing, for example).
        messages: The number of messages.
        bytes: Their size in bytes.
        fill: The used share of its tightest limit, 0 to 1; 0 without a limit.
        limit: That limit, in words.
        refuses: Why it accepts no message now (it is full or sealed); empty if it does.
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
        led: Whether this daemon holds its lease.
        attached: Whether this daemon fetches from it now.
        stream: Its stream; None if NATS does not answer.
        has_consumer: Whether its consumer exists; the first leader to attach creates it.
        problem: Why nothing can be fetched.
        messages: The number of messages that are not recorded yet.
        seconds: The age of the oldest of them; of daemons only the one that leads knows it.
        held_back: Whether intake waits because too many dispatches are open.
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
        pollers: The number of workers that polled it recently; None if Temporal does not report it.
        namespace: The namespace's name in the settings; empty for the default one.
    """

    name: str
    routes: tuple[str, ...] = ()
    pollers: int | None = None
    namespace: str = DEFAULT_NAMESPACE


@dataclass(frozen=True, slots=True)
class NamespaceState:
    """A namespace of Temporal.

    Attributes:
        name: Its name in the settings; empty for the default one.
        problem: Why it cannot be used; None if it answers.
        attributes: The problems of its search attributes; None if unknown.
        queues: The task queues that routes name in it, if it answered.
    """

    name: str = DEFAULT_NAMESPACE
    problem: Problem | None = None
    attributes: tuple[Problem, ...] | None = None
    queues: tuple[QueueState, ...] = ()


@dataclass(frozen=True, slots=True)
class CertificateState:
    """A certificate of the settings.

    Attributes:
        setting: The setting, with the file.
        expires: When it expires.
        days_left: Days until then; negative if it has expired.
    """

    setting: str
    expires: datetime
    days_left: float


@dataclass(frozen=True, slots=True)
class PauseState:
    """A source or route that somebody paused.

    Attributes:
        kind: ``source`` or ``route``.
        name: Its name.
        since: Since when.
        who: Who paused it.
        reason: Why.
        shown: The pause in words.
    """

    kind: str
    name: str
    since: datetime
    who: str
    reason: str
    shown: str


@dataclass(frozen=True, slots=True)
class StoreState:
    """The state of all daemons together, from the tables.

    Attributes:
        open: Open dispatches.
        unsettled: The dispatches that are not settled, by namespace.
        waiting: Dispatches that wait for their target.
        queued: Dispatches that wait for a slot of their key.
        queues: The same by route, without routes that have none.
        slots: How many slots are held, by route.
        gathering: Dispatches in windows that are still open.
        windows: Open windows.
        window_delay: Seconds since the first of these windows should have closed.
        oldest: Seconds since the oldest open dispatch was planned.
        letters: Open dead letters, by stage.
        relay_positions: Result events that are not on NATS yet.
        relay_seconds: Seconds since the oldest of them was stored.
        fence_seconds: Age of the oldest transaction that blocks readers of the log.
        fence_holder: The program and process of that transaction.
        leases: The held leases: owner by name.
        free_seconds: Seconds for which the longest unowned partition has had no owner.
        pauses: What people have paused.
        tables: The sizes of the tables that grow with the events.
    """

    open: int = 0
    unsettled: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    queued: int = 0
    queues: Mapping[str, int] = field(default_factory=dict)
    slots: Mapping[str, int] = field(default_factory=dict)
    gathering: int = 0
    windows: int = 0
    window_delay: float = 0.0
    oldest: float = 0.0
    letters: Mapping[str, int] = field(default_factory=dict)
    relay_positions: int = 0
    relay_seconds: float = 0.0
    fence_seconds: float = 0.0
    fence_holder: str = ""
    leases: Mapping[str, str] = field(default_factory=dict)
    free_seconds: float = 0.0
    pauses: tuple[PauseState, ...] = ()
    tables: tuple[TableState, ...] = ()

    def pause_of(self, kind: str, name: str) -> PauseState | None:
        """Return the pause of a source or route; None if it is not paused."""
        return next(
            (each for each in self.pauses if (each.kind, each.name) == (kind, name)), None
        )


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The result of the probes at one time.

    Attributes:
        postgres: Its problem; None if it answers and accepts writes.
        nats: Its problem; None if it answers.
        temporal: Its problem; None if the default namespace answers.
        schema: The problem of the schema; None if it fits this program.
        schema_is_newer: Whether the only problem is that a newer release has migrated it.
        server: The Postgres server's state, if it answered.
        database_time: The database's time, if it answered.
        clock_went_back: Seconds by which the database's clock went back recently.
        store: The counts of the tables, if they answered.
        sources: The configured sources, if NATS answered.
        streams: The streams that the bridge reads or publishes to, if NATS answered.
        jetstream: The problem of JetStream as a whole.
        attributes: The problems of the search attributes; None if unknown.
        queues: The task queues that routes name in the default namespace, if it answered.
        others: The other namespaces of the settings.
        parts: The problems of this daemon's parts, by name.
        certificates: When the certificates of the settings expire.
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
    others: tuple[NamespaceState, ...] = ()
    parts: Mapping[str, str] = field(default_factory=dict)
    certificates: tuple[CertificateState, ...] = ()

    @property
    def all_queues(self) -> tuple[QueueState, ...]:
        """The task queues of all namespaces."""
        return (*self.queues, *(queue for each in self.others for queue in each.queues))

    @property
    def namespaces(self) -> tuple[NamespaceState, ...]:
        """The namespaces, the default one first."""
        default = NamespaceState(DEFAULT_NAMESPACE, self.temporal, self.attributes, self.queues)
        return (default, *self.others)
