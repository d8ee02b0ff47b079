"""The settings of the daemon and its commands; `bridge.settings.sources` reads them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from bridge.runtime.durations import Duration
from bridge.runtime.event_types import DEFAULT_PREFIX, PREFIX_PATTERN
from bridge.runtime.host_header import is_loopback
from bridge.runtime.redaction import without_secrets
from bridge.runtime.strict import TemporalName
from bridge.settings.console import ConsoleSettings
from bridge.settings.dataref import DatarefSettings
from bridge.settings.nats_connection import NatsConnectionSettings
from bridge.settings.own_names import StreamNames, SubjectRoots
from bridge.settings.retention import RetentionSettings
from bridge.settings.source_settings import (
    DEFAULT_API,
    JetStreamDomain,
    Section,
    SettingsSources,
    SourceSettings,
    api_of_domain,
)
from bridge.settings.temporal_settings import NamespacesSettings, TemporalSettings

__all__ = [
    "NamespacesSettings",
    "RetentionSettings",
    "Section",
    "Settings",
    "SourceSettings",
    "TemporalSettings",
]


class NatsSettings(NatsConnectionSettings):
    """The connection to NATS, and the names of streams and subjects."""

    domain: JetStreamDomain | None = None
    """The JetStream domain of the streams; default: that of the server."""
    prefix: str = Field("", pattern=r"^([A-Za-z0-9_-]+)?$")
    """Prefix of the bridge's own streams and subjects, so that several bridges can share an account.
    The streams and subjects of other sources are taken as written."""
    streams: StreamNames = StreamNames()
    subjects: SubjectRoots = SubjectRoots()
    inbox_prefix: str = Field("_INBOX_bridge", pattern=r"^[A-Za-z0-9_-]+$")
    subscribers: tuple[Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+$")], ...] = ()
    """Names of durable pull consumers that ``ntbridge migrate`` creates on the streams RESULTS, REPLAY
    and DEADLETTERS, for subscribers that may not create consumers."""
    replicas: int = Field(1, ge=1, le=5)
    """Replicas of the streams that the bridge creates."""
    max_stream_bytes: int = Field(-1, ge=-1)
    """Size limit of the streams that the bridge creates; -1: no limit."""

    @property
    def api(self) -> str:
        """What the subjects of JetStream requests begin with."""
        return api_of_domain(self.domain) if self.domain else DEFAULT_API

    def source_api(self, source: SourceSettings) -> str:
        """Return what the subjects of JetStream requests about a source's stream begin with."""
        return source.api or self.api

    def stream(self, name: str) -> str:
        """Return the name of one of the bridge's own streams on the server, with the prefix."""
        return f"{self.prefix}-{name}" if self.prefix else name

    def subject(self, topic: str) -> str:
        """Return the subject of a topic of the bridge's own streams, with the prefix."""
        for token, root in self.subjects.by_topic:
            if topic.startswith(f"{token}."):
                topic = root + topic.removeprefix(token)
                break
        return f"{self.prefix}.{topic}" if self.prefix else topic

    def topic(self, subject: str) -> str:
        """Return the topic of a subject of the bridge's own streams."""
        topic = subject.removeprefix(f"{self.prefix}.") if self.prefix else subject
        for token, root in self.subjects.by_topic:
            if topic.startswith(f"{root}."):
                return token + topic.removeprefix(root)
        return topic

    def is_own(self, source: SourceSettings) -> bool:
        """Return whether a source reads one of the bridge's own streams."""
        return source.stream in self.streams.all

    def source_stream(self, source: SourceSettings) -> str:
        """Return the name of a source's stream on the server."""
        return self.stream(source.stream) if self.is_own(source) else source.stream

    def source_filter(self, source: SourceSettings) -> str | None:
        """Return the subject filter of a source on the server; None for the whole stream."""
        if source.subject is None or not self.is_own(source):
            return source.subject
        return self.subject(source.subject)

    def source_topic(self, source: SourceSettings, subject: str) -> str:
        """Return the topic of a message of a source: its subject, if the stream belongs to others."""
        return self.topic(subject) if self.is_own(source) else subject


class DatabaseSettings(Section):
    """The connection to Postgres."""

    url: str = "postgresql://ntbridge@127.0.0.1:5432/ntbridge"
    pool_size: int = Field(10, ge=4)
    deadline: Duration = 10.0
    """Timeout of one statement."""

    @field_validator("url")
    @classmethod
    def _is_postgres(cls, url: str) -> str:
        from eventstore.dsn import parse  # noqa: PLC0415 - imports the driver; --help must be fast

        parse(url)
        return url

    @property
    def shown_url(self) -> str:
        """The URL for logs: without the password."""
        return without_secrets(self.url, keep_user=True)


class IntakeSettings(Section):
    """The intake of events."""

    sources: tuple[SourceSettings, ...] = (SourceSettings(),)
    """The sources of events; add RESULTS to let results trigger workflows."""

    @property
    def written_sources(self) -> SettingsSources:
        """The sources, and whether the settings name them."""
        return SettingsSources(self.sources, "sources" in self.model_fields_set)

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
    """An event that has passed the bridge more often than this is a loop: it becomes a dead letter."""
    batch: int = Field(256, ge=1, le=500)
    """Maximum number of events recorded in one commit."""
    max_bytes: int = Field(16 * 2**20, ge=2**20)
    """Maximum number of bytes in one fetch; a larger message is fetched alone."""
    ack_wait: Duration = 30.0
    max_open_dispatches: int = Field(20_000, ge=1)
    """Intake waits while more dispatches than this are open."""
    max_open_bytes: int = Field(256 * 2**20, ge=1)
    """Intake waits while the stored calls of open dispatches exceed this."""


class DispatchSettings(Section):
    """The calls to Temporal."""

    in_flight: int = Field(8, ge=1, le=1000)
    """Initial number of concurrent calls to Temporal. It adapts to the load: a call then takes about
    three times as long as alone."""
    least_in_flight: int = Field(2, ge=1, le=1000)
    """Minimum of the adapted number. A high value gives more calls a second, and each takes longer."""
    most_in_flight: int = Field(200, ge=1, le=1000)
    """Maximum of the adapted number, and of the other two."""


class EmitSettings(Section):
    """The emit of result events by workflows."""

    task_queue: TemporalName = "ntbridge-events"
    """Task queue of the activity ``events.emit``. Bridges that share a Temporal namespace need
    different ones."""
    in_flight: int = Field(100, ge=1, le=1000)
    """Maximum number of concurrent emits."""


class ClosureSettings(Section):
    """The result events for closed runs."""

    enabled: bool = True
    """Whether the bridge emits a result event at the end of every run that a route starts."""
    max_result_bytes: int = Field(256 * 2**10, ge=0)
    """A larger result of a workflow is omitted from the event."""
    in_flight: int = Field(8, ge=1, le=100)
    """Maximum number of concurrent requests to Temporal about runs."""


class RelaySettings(Section):
    """The publishing of result events."""

    window: int = Field(500, ge=1, le=1000)
    """Maximum number of messages in one atomic batch."""


class LogSettings(Section):
    """The logs, always on standard error."""

    level: str = Field("info", pattern=r"^(debug|info|warning|error)$")
    format: str = Field("auto", pattern=r"^(auto|console|json)$")
    payloads: bool = False
    """Whether events' contents are logged (with level ``debug``), or only their size."""


class HttpSettings(Section):
    """The pages ``/livez``, ``/readyz``, ``/status`` and ``/metrics``."""

    enabled: bool = True
    host: str = Field("127.0.0.1", min_length=1)
    """Default: loopback, because these pages need no login."""
    hosts: tuple[str, ...] = ()
    """Additional values of the header ``Host`` to accept, such as the name of a proxy; ``*``
    accepts any. Always accepted: the address itself and ``localhost``; on more than loopback also
    IP addresses and names without a dot."""
    port: int | None = Field(None, ge=0, le=65_535)
    """0: any free port; the log shows it. Default: 9464, or any free port if that is in use."""


class CodecServerSettings(Section):
    """``ntbridge codec-server``."""

    host: str = Field("127.0.0.1", min_length=1)
    """Address to listen on; other than loopback needs a token."""
    port: int = Field(8234, ge=0, le=65_535)
    """0: any free port; the log shows it."""
    hosts: tuple[str, ...] = ()
    """Additional values of the header ``Host`` to accept, such as the name of a proxy."""
    origins: tuple[Annotated[str, Field(pattern=r"^https?://[^/\s*]+$")], ...] = ()
    """Origins of the web interfaces that may call it: scheme, host and port, as the browser sends them."""
    token: str | None = Field(None, repr=False, pattern=r"^[A-Za-z0-9._~-]{16,}$")
    encode: bool = False
    """Whether it encodes too; the web interface needs that to start or signal workflows."""

    @model_validator(mode="after")
    def _is_guarded(self) -> "CodecServerSettings":
        if self.token is None and not is_loopback(self.host):
            raise ValueError(
                f"everyone who reaches {self.host} could decrypt: set a token, or listen on 127.0.0.1"
            )
        return self


class HealthSettings(Section):
    """The conditions for readiness."""

    every: Duration = 5.0
    """Interval between two checks of servers, lags and leases."""
    source_lag: Duration = 300.0
    """Not ready when a message has waited longer than this to be recorded."""
    relay_lag: Duration = 300.0
    """Not ready when a result event has waited longer than this to be published."""
    dispatch_lag: Duration = 300.0
    """Warn when the oldest open dispatch was planned longer ago than this."""


class Settings(Section):
    """All settings of the daemon and its commands."""

    @model_validator(mode="before")
    @classmethod
    def _know_older_names(cls, values: Any) -> Any:
        """Read ``relay.stream``, the older name of ``nats.streams.results``.

        Raises:
            ValueError: Both are given, and differ.
        """
        relay = values.get("relay") if isinstance(values, dict) else None
        if not isinstance(relay, dict) or "stream" not in relay:
            return values
        nats = values.get("nats", {})
        nats = nats.model_dump(exclude_unset=True) if isinstance(nats, Section) else dict(nats)
        streams = {"results": relay["stream"], **nats.get("streams", {})}
        if streams["results"] != relay["stream"]:
            raise ValueError("relay.stream is the older name of nats.streams.results: give one")
        rest = {key: value for key, value in relay.items() if key != "stream"}
        return {**values, "relay": rest, "nats": {**nats, "streams": streams}}

    @model_validator(mode="after")
    def _read_own_events(self) -> "Settings":
        source = SourceSettings(stream=self.nats.streams.events)
        if not self.intake.written_sources.named and (source,) != self.intake.sources:
            # The default source has another name here. It stays one that the settings do not name.
            intake = self.intake.model_copy(update={"sources": (source,)})
            intake.model_fields_set.discard("sources")
            object.__setattr__(self, "intake", intake)
        return self

    nats: NatsSettings = NatsSettings()
    temporal: NamespacesSettings = NamespacesSettings()
    database: DatabaseSettings = DatabaseSettings()
    routes: Path = Path("routes.yaml")
    """The routes file."""
    type_prefix: str = Field(DEFAULT_PREFIX, max_length=200, pattern=PREFIX_PATTERN)
    """Prefix of the CloudEvents types of the bridge's own events: a reverse domain name."""
    intake: IntakeSettings = IntakeSettings()
    dispatch: DispatchSettings = DispatchSettings()
    dataref: DatarefSettings = DatarefSettings()
    emit: EmitSettings = EmitSettings()
    closures: ClosureSettings = ClosureSettings()
    relay: RelaySettings = RelaySettings()
    retention: RetentionSettings = RetentionSettings()
    log: LogSettings = LogSettings()
    http: HttpSettings = HttpSettings()
    codec_server: CodecServerSettings = CodecServerSettings()
    health: HealthSettings = HealthSettings()
    console: ConsoleSettings = ConsoleSettings()
    insecure: bool = False
    """Whether connections to other machines may be unencrypted."""
    stop_within: Duration = 25.0
    """How long a stop may take. The process then ends with code 1; unfinished work is not lost."""

    def with_sources(self, sources: Sequence[SourceSettings]) -> "Settings":
        """Return the settings with all sources, those of the routes file too."""
        intake = self.intake.model_copy(update={"sources": tuple(sources)})
        return self.model_copy(update={"intake": intake})
