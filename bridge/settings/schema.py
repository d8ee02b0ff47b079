"""What the daemon and its tools can be told; `bridge.settings.sources` finds where it is said."""

import re
from hashlib import sha256
from pathlib import Path
from typing import Annotated

from pydantic import ConfigDict, Field, field_validator, model_validator

from bridge.runtime.durations import Duration
from bridge.runtime.errors import ClearTextKeyError
from bridge.runtime.redaction import without_secrets
from bridge.runtime.strict import NoTruthForNumber, TemporalName
from bridge.runtime.temporal_connection import check_api_key

_NATS_SERVER = re.compile(
    r"((nats|tls|ws|wss)://)?([^/@\s,]*@)?(\[[0-9a-fA-F:.]+\]|[^/:@\[\]\s,]+)(:\d{1,5})?(/[^@\s,]*)?"
)


class Section(NoTruthForNumber):
    """A group of settings; an unknown one is an error."""

    # On every model: "forbid" is not handed down to nested ones.
    model_config = ConfigDict(extra="forbid", frozen=True)


class NatsSettings(Section):
    """Where NATS is, and under which names the bridge lives there."""

    url: str = "nats://127.0.0.1:4222"
    """One or more server URLs, parted by commas."""
    credentials: Path | None = None
    """A ``.creds`` file (JWT and seed), or the seed of an nkey."""
    prefix: str = Field("", pattern=r"^([A-Za-z0-9_-]+)?$")
    """Put before every stream and subject, so that several bridges share an account."""
    inbox_prefix: str = Field("_INBOX_bridge", pattern=r"^[A-Za-z0-9_-]+$")
    subscribers: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")], ...] = ()
    """Names of durable pull consumers that ``ntbridge migrate`` makes on the streams RESULTS, REPLAY
    and DEADLETTERS, for subscribers whose login may make none."""
    replicas: int = Field(1, ge=1, le=5)
    """Of the streams the bridge declares."""
    max_stream_bytes: int = Field(-1, ge=-1)
    """Of the streams the bridge declares; -1 means no limit."""

    @field_validator("url")
    @classmethod
    def _is_nats(cls, url: str) -> str:
        for server in url.split(","):
            if not _NATS_SERVER.fullmatch(server.strip()):
                message = (
                    "must have the form nats://user:password@host:port (or tls://, ws://, wss://), several "
                    "parted by commas, with '/', ',', '@', spaces and the like in the password "
                    "percent-encoded"
                )
                raise ValueError(message)
        return url

    @property
    def servers(self) -> list[str]:
        """The server URLs as a list."""
        return [url.strip() for url in self.url.split(",")]

    @property
    def shown_url(self) -> str:
        """The URL as logs may show it: without user and password."""
        return ",".join(without_secrets(server) for server in self.servers)

    def stream(self, name: str) -> str:
        """Return the server's name of one of the bridge's streams."""
        return f"{self.prefix}-{name}" if self.prefix else name

    def subject(self, topic: str) -> str:
        """Return the subject a topic has on the server."""
        return f"{self.prefix}.{topic}" if self.prefix else topic

    def topic(self, subject: str) -> str:
        """Return a server's subject without the prefix."""
        return subject.removeprefix(f"{self.prefix}.") if self.prefix else subject


class TemporalSettings(Section):
    """Where Temporal is."""

    address: str = Field("127.0.0.1:7233", pattern=r"^[^\s/]+:\d+$")
    namespace: str = Field("default", min_length=1)
    api_key: str | None = Field(None, repr=False)
    tls: bool | None = None
    """Default: encrypted exactly if there is an API key."""
    call_timeout: Duration = 10.0
    """How long one call may take, in seconds."""

    @model_validator(mode="after")
    def _keeps_the_key(self) -> "TemporalSettings":
        try:
            check_api_key(self.address, self.api_key, tls=self.tls)
        except ClearTextKeyError as error:
            raise ValueError(str(error)) from None
        return self


class DatabaseSettings(Section):
    """Where Postgres is."""

    url: str = "postgresql://ntbridge@127.0.0.1:5432/ntbridge"
    pool_size: int = Field(10, ge=4)
    deadline: Duration = 10.0
    """How long one statement may take, in seconds."""

    @field_validator("url")
    @classmethod
    def _is_postgres(cls, url: str) -> str:
        from eventstore.dsn import parse  # noqa: PLC0415 - brings the driver; help is quick

        parse(url)
        return url

    @property
    def shown_url(self) -> str:
        """The URL as logs may show it: without the password."""
        return without_secrets(self.url, keep_user=True)


class SourceSettings(Section):
    """A stream, or a part of one, whose messages are domain events."""

    stream: str = Field("EVENTS", pattern=r"^[A-Za-z0-9_-]+$")
    subject: str | None = None
    """Only messages on subjects that this filter covers (``*`` and ``>``); default: all."""
    consumer: str = Field("ntbridge", pattern=r"^[A-Za-z0-9_-]+$")
    """The name of the durable consumer on the server; with ``subject``, the beginning of it."""

    @property
    def durable(self) -> str:
        """The name of the durable consumer: one for each stream and subject filter."""
        if self.subject is None:
            return self.consumer
        shown = re.sub(r"[^A-Za-z0-9_]+", "_", self.subject).strip("_")[:40] or "all"
        return f"{self.consumer}-{shown}-{sha256(self.subject.encode()).hexdigest()[:8]}"

    @property
    def name(self) -> str:
        """What logs and leases call it."""
        return f"{self.stream}/{self.durable}"


class IntakeSettings(Section):
    """How events are taken in."""

    sources: tuple[SourceSettings, ...] = (SourceSettings(),)
    """Where events come from; add RESULTS to let results trigger workflows."""

    @field_validator("sources")
    @classmethod
    def _are_different(cls, sources: tuple[SourceSettings, ...]) -> tuple[SourceSettings, ...]:
        names = [source.name for source in sources]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            message = f"are given twice: {', '.join(twice)} (stream/consumer)"
            raise ValueError(message)
        return sources

    max_hops: int = Field(16, ge=1)
    """An event that has passed the bridge more often than this is a loop, and is cut."""
    batch: int = Field(256, ge=1, le=500)
    """Most events recorded in one commit."""
    max_bytes: int = Field(16 * 2**20, ge=2**20)
    """Most bytes asked for at once; a message that is larger by itself is taken alone."""
    ack_wait: Duration = 30.0
    max_open_dispatches: int = Field(20_000, ge=1)
    """Intake waits while more dispatches than this are open."""
    max_open_bytes: int = Field(256 * 2**20, ge=1)
    """Likewise, by what the calls of those open take in the table."""


class DispatchSettings(Section):
    """How Temporal is called."""

    in_flight: int = Field(8, ge=1, le=1000)
    """Calls to Temporal at one time to begin with. The number adapts to what it bears, so that a call
    takes some three times what it takes alone."""
    least_in_flight: int = Field(2, ge=1, le=1000)
    """Above what adapting would choose, it makes for some more calls a second, each of which takes longer."""
    most_in_flight: int = Field(200, ge=1, le=1000)
    """Bounds the other two as well."""


class EmitSettings(Section):
    """How workflows emit result events."""

    task_queue: TemporalName = "ntbridge-events"
    """Where the activity ``events.emit`` is served. Bridges that share a namespace of Temporal
    need one each."""
    in_flight: int = Field(100, ge=1, le=1000)
    """Most emits that are worked on at one time."""


class ClosureSettings(Section):
    """How the ends of runs are told."""

    enabled: bool = True
    """Whether every run that a route starts ends in a result event of the bridge's."""
    max_result_bytes: int = Field(256 * 2**10, ge=0)
    """A larger result of a workflow is left out of the event."""
    in_flight: int = Field(8, ge=1, le=100)
    """Most runs that Temporal is asked about at one time."""


class RelaySettings(Section):
    """How result events go out."""

    stream: str = Field("RESULTS", pattern=r"^[A-Za-z0-9_-]+$")
    window: int = Field(500, ge=1, le=1000)
    """Most messages that are published as one batch."""


class RetentionSettings(Section):
    """How long the account of what became of events is kept; by default for ever.

    Events themselves are never removed, so a repeat is recognised however old it is.
    """

    dispatches: Duration | None = None
    """Remove dispatches that were settled longer ago than this."""
    deliveries: Duration | None = None
    """Remove what intake answered longer ago than this."""


class LogSettings(Section):
    """What is logged, always to standard error."""

    level: str = Field("info", pattern=r"^(debug|info|warning|error)$")
    format: str = Field("auto", pattern=r"^(auto|console|json)$")
    payloads: bool = False
    """Whether events' contents may be logged (with level ``debug``); else only their size is."""


class HttpSettings(Section):
    """Where ``/livez``, ``/readyz``, ``/status`` and ``/metrics`` are."""

    enabled: bool = True
    host: str = Field("127.0.0.1", min_length=1)
    """Loopback unless said otherwise: the pages tell about the house to whoever asks."""
    hosts: tuple[str, ...] = ()
    """Further values of the header ``Host`` that are accepted, such as the name of a proxy; ``*``
    for any. Always accepted: the address itself and ``localhost``; on more than loopback also IP
    addresses and names without a dot."""
    port: int | None = Field(None, ge=0, le=65_535)
    """0: any that is free; the log tells which. Default: 9464, or any if that is taken."""


class HealthSettings(Section):
    """What counts as ready."""

    every: Duration = 5.0
    """Seconds between two looks at servers, lags and leases."""
    source_lag: Duration = 300.0
    """Not ready when a message has waited longer than this to be recorded."""
    relay_lag: Duration = 300.0
    """Not ready when a result event has waited longer than this to be published."""
    dispatch_lag: Duration = 300.0
    """A warning when the oldest open dispatch was planned longer ago than this."""


class Settings(Section):
    """Everything the daemon and its tools can be told."""

    nats: NatsSettings = NatsSettings()
    temporal: TemporalSettings = TemporalSettings()
    database: DatabaseSettings = DatabaseSettings()
    routes: Path = Path("routes.yaml")
    """The routes file."""
    intake: IntakeSettings = IntakeSettings()
    dispatch: DispatchSettings = DispatchSettings()
    emit: EmitSettings = EmitSettings()
    closures: ClosureSettings = ClosureSettings()
    relay: RelaySettings = RelaySettings()
    retention: RetentionSettings = RetentionSettings()
    log: LogSettings = LogSettings()
    http: HttpSettings = HttpSettings()
    health: HealthSettings = HealthSettings()
    stop_within: Duration = 25.0
    """How long a stop may take; what is not finished then is cut off, and loses nothing."""
