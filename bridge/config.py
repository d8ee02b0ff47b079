"""Settings: what they are, and where each one came from.

In order of precedence: flags, environment, file (``--config``, ``NTBRIDGE_CONFIG`` or
``ntbridge.yaml``), the development stack running in this folder, defaults. Every key may be
set as ``NTBRIDGE_<SECTION>__<KEY>``; those in `WELL_KNOWN` also by their usual names.
"""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from bridge.errors import SettingsError

PREFIX = "NTBRIDGE_"
WELL_KNOWN: Mapping[str, str] = {
    "NATS_URL": "nats.url",
    "TEMPORAL_ADDRESS": "temporal.address",
    "TEMPORAL_NAMESPACE": "temporal.namespace",
    "TEMPORAL_API_KEY": "temporal.api_key",
    "DATABASE_URL": "database.url",
}
"""Environment variables that other tools use too, and the key each one sets."""

DEFAULT_FILE = Path("ntbridge.yaml")
_SECRET = frozenset({"nats.url", "database.url", "temporal.api_key"})
_HOST = re.compile(r"(\[[^\]]+\]|[^:\[\]]*)(:\d{1,5})?")
_NOT_SETTINGS = frozenset({"NTBRIDGE_CONFIG", "NTBRIDGE_CRASH_AT"})
_FOREIGN = ("NTBRIDGE_WORKER_", "NTBRIDGE_TEST_")
"""How variables begin that are somebody else's: the worker's, and the tests'."""

Seconds = Annotated[float, Field(gt=0)]

_AGE = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_SECONDS_IN = {"s": 1, "m": 60, "h": 3600, "d": 24 * 3600}


def _in_seconds(value: Any) -> Any:
    age = _AGE.fullmatch(value) if isinstance(value, str) else None
    return value if age is None else float(age.group(1)) * _SECONDS_IN[age.group(2)]


Age = Annotated[float, BeforeValidator(_in_seconds), Field(gt=0)]
"""A time span: ``30s``, ``10m``, ``2h``, ``7d``, or a number of seconds."""


class _Section(BaseModel):
    # On every model: "forbid" is not handed down to nested ones.
    model_config = ConfigDict(extra="forbid", frozen=True)


class NatsSettings(_Section):
    """Where NATS is, and under which names the bridge lives there."""

    url: str = "nats://127.0.0.1:4222"
    """One or more server URLs, parted by commas."""
    credentials: Path | None = None
    """A ``.creds`` file."""
    prefix: str = Field("", pattern=r"^([A-Za-z0-9_-]+)?$")
    """Put before every stream and subject, so that several bridges share an account."""
    inbox_prefix: str = Field("_INBOX_bridge", pattern=r"^[A-Za-z0-9_-]+$")
    replicas: int = Field(1, ge=1, le=5)
    """Of the streams the bridge declares."""
    max_stream_bytes: int = Field(-1, ge=-1)
    """Of the streams the bridge declares; -1 means no limit."""

    @property
    def servers(self) -> list[str]:
        """The server URLs as a list."""
        return [url.strip() for url in self.url.split(",")]

    @property
    def shown_url(self) -> str:
        """The URL as logs may show it: without user and password."""
        # Up to the last "@", so that a password that should have been quoted stays hidden too.
        hidden = [re.sub(r"^([a-z]+://)?.*@", r"\1***@", server) for server in self.servers]
        return ",".join(hidden)

    def stream(self, name: str) -> str:
        """Return the server's name of one of the bridge's streams."""
        return f"{self.prefix}-{name}" if self.prefix else name

    def subject(self, topic: str) -> str:
        """Return the subject a topic has on the server."""
        return f"{self.prefix}.{topic}" if self.prefix else topic

    def topic(self, subject: str) -> str:
        """Return a server's subject without the prefix."""
        return subject.removeprefix(f"{self.prefix}.") if self.prefix else subject


class TemporalSettings(_Section):
    """Where Temporal is."""

    address: str = Field("127.0.0.1:7233", pattern=r"^[^\s/]+:\d+$")
    namespace: str = Field("default", min_length=1)
    api_key: str | None = Field(None, repr=False)
    tls: bool = False
    call_timeout: Seconds = 10.0
    """How long one call may take, in seconds."""


class DatabaseSettings(_Section):
    """Where Postgres is."""

    url: str = "postgresql://ntbridge@127.0.0.1:5432/ntbridge"
    pool_size: int = Field(10, ge=4)
    deadline: Seconds = 10.0
    """How long one statement may take, in seconds."""

    @field_validator("url")
    @classmethod
    def _is_postgres(cls, url: str) -> str:
        if not re.match(r"postgres(ql)?://", url):
            message = "must begin with postgresql://"
            raise ValueError(message)
        authority = re.split(r"[/?#]", url.partition("://")[2], maxsplit=1)[0]
        hosts = authority.rpartition("@")[2].split(",")
        if not all(_HOST.fullmatch(host) for host in hosts):
            message = (
                "must have the form postgresql://user:password@host:port/database, with "
                "'/', '?', '#' and '@' in the password percent-encoded"
            )
            raise ValueError(message)
        return url

    @property
    def shown_url(self) -> str:
        """The URL as logs may show it: without the password."""
        # Up to the last "@", so that a password that should have been quoted stays hidden too.
        without_userinfo = re.sub(r"//([^:/@]*):.*@", r"//\1:***@", self.url)
        return re.sub(r"([?&](?:ssl)?password=)[^&]*", r"\1***", without_userinfo)


class SourceSettings(_Section):
    """A stream, or a part of one, whose messages are domain events."""

    stream: str = Field("EVENTS", pattern=r"^[A-Za-z0-9_-]+$")
    subject: str | None = None
    """Only messages on subjects that this filter covers (``*`` and ``>``); default: all."""
    consumer: str = Field("ntbridge", pattern=r"^[A-Za-z0-9_-]+$")
    """The beginning of the names of the consumers that are made."""

    @property
    def name(self) -> str:
        """What logs and leases call it."""
        return f"{self.stream}/{self.consumer}"


class IntakeSettings(_Section):
    """How events are taken in."""

    sources: tuple[SourceSettings, ...] = (SourceSettings(),)
    """Where events come from; add RESULTS to let results trigger workflows."""
    max_hops: int = Field(16, ge=1)
    """An event that has passed the bridge more often than this is a loop, and is cut."""
    batch: int = Field(256, ge=1, le=500)
    """Most events recorded in one commit."""
    max_bytes: int = Field(16 * 2**20, ge=2**20)
    """Most bytes asked for at once."""
    ack_wait: Seconds = 30.0
    max_open_dispatches: int = Field(20_000, ge=1)
    """Intake waits while more dispatches than this are open."""


class DispatchSettings(_Section):
    """How Temporal is called."""

    in_flight: int = Field(8, ge=1, le=1000)
    """Calls to Temporal at one time to begin with; the number adapts to what it bears."""
    least_in_flight: int = Field(2, ge=1, le=1000)
    most_in_flight: int = Field(200, ge=1, le=1000)


class RelaySettings(_Section):
    """How result events go out."""

    stream: str = Field("RESULTS", pattern=r"^[A-Za-z0-9_-]+$")
    window: int = Field(256, ge=1, le=4000)
    """Publishes that may wait for their acknowledgement at one time."""


class RetentionSettings(_Section):
    """How long the account of what became of events is kept; by default for ever.

    Events themselves are never removed, so a repeat is recognised however old it is.
    """

    dispatches: Age | None = None
    """Remove dispatches that were settled longer ago than this."""
    deliveries: Age | None = None
    """Remove what intake answered longer ago than this."""


class LogSettings(_Section):
    """What is logged, always to standard error."""

    level: str = Field("info", pattern=r"^(debug|info|warning|error)$")
    format: str = Field("auto", pattern=r"^(auto|console|json)$")


class Settings(_Section):
    """Everything the daemon and its tools can be told."""

    nats: NatsSettings = NatsSettings()
    temporal: TemporalSettings = TemporalSettings()
    database: DatabaseSettings = DatabaseSettings()
    routes: Path = Path("routes.yaml")
    """The routes file."""
    intake: IntakeSettings = IntakeSettings()
    dispatch: DispatchSettings = DispatchSettings()
    relay: RelaySettings = RelaySettings()
    retention: RetentionSettings = RetentionSettings()
    log: LogSettings = LogSettings()


_SECTIONS = frozenset(
    name
    for name, setting in Settings.model_fields.items()
    if isinstance(setting.default, _Section)
)


@dataclass(frozen=True)
class Source:
    """Some settings, by dotted key, and where they came from."""

    label: str
    values: Mapping[str, Any]
    labels: Mapping[str, str] = field(default_factory=dict)
    """Overrides ``label`` for single keys: the name of the variable, say."""

    def label_of(self, key: str) -> str:
        """Return where a key of this source was set."""
        return self.labels.get(key, self.label)


@dataclass(frozen=True)
class Loaded:
    """Settings, with the origin of each key that was set at all."""

    settings: Settings
    origins: Mapping[str, str]


def load(sources: Sequence[Source]) -> Loaded:
    """Combine the sources, the first one having the last word.

    Raises:
        SettingsError: A key is unknown or its value is wrong; names key, origin and reason.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for source in reversed(sources):
        for key, value in source.values.items():
            values[key] = value
            origins[key] = source.label_of(key)
    try:
        settings = Settings.model_validate(_nested(values, origins))
    except ValidationError as error:
        raise SettingsError(_explain(error, origins)) from None
    return Loaded(settings, origins)


def from_environment(environ: Mapping[str, str] = os.environ) -> Source:
    """Read the environment: the well-known names, and over them ``NTBRIDGE_…``."""
    values: dict[str, Any] = {}
    labels: dict[str, str] = {}
    for name, key in WELL_KNOWN.items():
        if environ.get(name):
            values[key], labels[key] = environ[name], f"the environment variable {name}"
    for name, value in environ.items():
        if name in _NOT_SETTINGS or name.startswith(_FOREIGN):
            continue
        if name.startswith(PREFIX):
            key = name.removeprefix(PREFIX).lower().replace("__", ".")
            values[key], labels[key] = _parsed(value), f"the environment variable {name}"
    return Source("the environment", values, labels)


def from_file(path: Path | None) -> Source:
    """Read a YAML file; without a path ``ntbridge.yaml``, if it is there.

    Raises:
        SettingsError: The file cannot be read or is not a mapping.
    """
    if path is None and not DEFAULT_FILE.exists():
        return Source("no file", {})
    path = path or DEFAULT_FILE
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        # Not the error itself: it quotes the line, and the line may hold a password.
        raise SettingsError(f"the settings file {path} is no YAML{_where(error)}") from None
    except (OSError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"the settings file {path} cannot be read: {error}") from error
    if not isinstance(content, dict | None):
        raise SettingsError(f"the settings file {path} must hold a mapping of sections")
    return Source(f"the file {path}", dict(_flat(content or {})))


def from_flags(values: Mapping[str, Any]) -> Source:
    """Take what was given on the command line; ``None`` means not given."""
    given = {key: value for key, value in values.items() if value is not None}
    labels = {key: f"the flag --{key.replace('.', '-').replace('_', '-')}" for key in given}
    return Source("the command line", given, labels)


def _parsed(value: str) -> Any:
    """Read lists and mappings, which are YAML in a variable; everything else is text."""
    if not value.startswith(("[", "{")):
        return value
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        return value


def _flat(content: Mapping[Any, Any], before: str = "") -> list[tuple[str, Any]]:
    items: list[tuple[str, Any]] = []
    for name, value in content.items():
        key = f"{before}{name}"
        if key in _SECTIONS and value in (None, {}):
            continue  # a heading with nothing under it
        nested = isinstance(value, dict) and value
        items += _flat(value, f"{key}.") if nested else [(key, value)]
    return items


def _where(error: yaml.YAMLError) -> str:
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return ""
    mark = error.problem_mark
    return f": line {mark.line + 1}, column {mark.column + 1}: {error.problem}"


def _nested(values: Mapping[str, Any], origins: Mapping[str, str]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for key, value in values.items():
        *sections, name = key.split(".")
        branch = tree
        for section in sections:
            branch = branch.setdefault(section, {})
            if not isinstance(branch, dict):
                raise SettingsError(
                    f"{key} (from {origins[key]}): {section!r} is a single value elsewhere, "
                    "not a section",
                )
        if isinstance(branch.get(name), dict):
            raise SettingsError(f"{key} (from {origins[key]}): is a section, not a value")
        branch[name] = value
    return tree


def _explain(error: ValidationError, origins: Mapping[str, str]) -> str:
    lines = []
    for fault in error.errors(include_url=False):
        key = ".".join(str(part) for part in fault["loc"])
        origin = origins.get(key) or next(
            (origin for name, origin in origins.items() if name.startswith(f"{key}.")),
            "the defaults",
        )
        if fault["type"] == "extra_forbidden":
            lines.append(f"{key} (from {origin}): there is no such setting")
        elif _is_secret(key):
            lines.append(f"{key} (from {origin}): {fault['msg']}")
        else:
            lines.append(f"{key} (from {origin}): {fault['msg']}, not {fault['input']!r}")
    return "; ".join(lines)


def _is_secret(key: str) -> bool:
    """Tell whether the key holds a secret, alone or among others, or lies within one."""
    return any(
        f"{one}.".startswith(f"{other}.")
        for secret in _SECRET
        for one, other in ((key, secret), (secret, key))
    )
