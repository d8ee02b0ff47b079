"""The worker's settings: flags first, then the environment, then defaults.

A secret may be in a file: the variable with ``_FILE`` after its name has the path.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Self, get_args

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

from bridge.runtime import secret_files, temporal_config
from bridge.runtime.codec.settings import CodecSettings
from bridge.runtime.durations import Duration
from bridge.runtime.encryption import (
    PlainConnection,
    plain_postgres,
    plain_redis,
    plain_temporal,
    refusal,
)
from bridge.runtime.errors import ProfileError, SecretFileError
from bridge.runtime.secret_files import IN_FILE
from bridge.runtime.temporal_config import SettingValue
from bridge.runtime.temporal_connection import TemporalConnection
from eventstore.dsn import parse, plaintext_hosts
from workflows.errors import InvalidSettingError
from workflows.platform.lineage import EVENTS_QUEUE
from workflows.settings import (
    NotifierSettings,
    OpenAISettings,
    QAgentSettings,
    QInfraSettings,
    QSecureSettings,
    QSRESettings,
    QTestSettings,
    RedisUrl,
    Section,
)

PREFIX = "NTBRIDGE_WORKER_"
NESTED = "__"
_SHARED = {"events_queue": "NTBRIDGE_EMIT__TASK_QUEUE", "insecure": "NTBRIDGE_INSECURE"}
"""Settings with a variable that the bridge reads too."""
_UNPREFIXED = ("DATABASE_", "REDIS_")
"""Variables with the usual names."""
_OF_TEMPORAL = "temporal_"
"""Prefix of the flags of the connection to Temporal."""
_VIA_TEMPORAL = f"{PREFIX}TEMPORAL"
"""No prefix of variables: the connection to Temporal has the usual names, ``TEMPORAL_…``."""


class WorkerSettings(BaseSettings):
    """The settings of a worker. Create them with ``WorkerSettings.read``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=NESTED,
        extra="forbid",
        frozen=True,
        populate_by_name=True,
    )

    modules: Annotated[tuple[str, ...], NoDecode] = ()
    """Modules to serve; empty: all."""
    task_queue: str | None = Field(default=None, min_length=1)
    queue_prefix: str | None = Field(default=None, min_length=1)
    build_id: str | None = Field(default=None, pattern=r"^\S{1,255}$")
    """Build id of the worker; without one it is unversioned."""
    deployment: str = Field(default="ntbridge", pattern=r"^[^\s.]{1,200}$")
    """Name of the worker deployment of the builds."""
    make_current: bool = False
    """Whether the worker makes its build the current version, which gets the new runs."""
    temporal: TemporalConnection = TemporalConnection()
    """The connection to Temporal, from ``TEMPORAL_…`` and ``temporal.toml``."""
    codec: CodecSettings = CodecSettings()
    """How payloads are encoded before Temporal gets them; the same keys as the daemon's."""
    insecure: bool = Field(
        default=False, validation_alias=AliasChoices("insecure", "NTBRIDGE_INSECURE")
    )
    """Whether connections to other machines may be unencrypted; the bridge reads the same variable."""
    http_enabled: bool = True
    """Whether ``/livez``, ``/readyz`` and ``/metrics`` are served."""
    http_host: str = Field(default="127.0.0.1", min_length=1)
    http_hosts: tuple[str, ...] = ()
    """Further values of the header ``Host`` that are accepted; ``*`` for any."""
    http_port: int | None = Field(default=None, ge=0, le=65_535)
    """0: any free port. Default: 9465, or any free port if that is taken."""
    stop_within: Duration = Field(default=25.0, gt=5)
    """How long a stop may take. Activities under way get five seconds less; what is not finished
    then is tried again elsewhere."""
    events_queue: str = Field(
        default=EVENTS_QUEUE,
        min_length=1,
        validation_alias=AliasChoices("events_queue", "NTBRIDGE_EMIT__TASK_QUEUE"),
    )
    """Task queue on which the bridge serves emits; the bridge reads the same variable."""
    database_url: SecretStr = Field(
        validation_alias=AliasChoices("database_url", "DATABASE_URL")
    )

    redis_url: RedisUrl | None = Field(
        default=None, validation_alias=AliasChoices("redis_url", "REDIS_URL")
    )
    """A Redis that the workers share: a cache of model answers, and limits; optional."""

    state: Path = Field(default=Path(".ntbridge/pipelines"), validate_default=True)
    """Folder of the local adapters: environments, releases, monitoring rules."""

    notifier: NotifierSettings = NotifierSettings()
    openai: OpenAISettings = OpenAISettings()
    qagent: QAgentSettings = QAgentSettings()
    qinfra: QInfraSettings = QInfraSettings()
    qsecure: QSecureSettings = QSecureSettings()
    qsre: QSRESettings = QSRESettings()
    qtest: QTestSettings = QTestSettings()

    @property
    def plain_connections(self) -> list[PlainConnection]:
        """The connections to other machines for which TLS is not required."""
        hosts = plaintext_hosts(self.database_url.get_secret_value())
        return [
            *plain_postgres(hosts),
            *plain_temporal(self.temporal),
            *plain_redis(self.redis_url.get_secret_value() if self.redis_url else ""),
        ]

    @model_validator(mode="after")
    def _is_encrypted(self) -> Self:
        if (why := refusal(self.plain_connections, insecure=self.insecure)) is not None:
            raise ValueError(why)
        return self

    @field_validator("database_url")
    @classmethod
    def _is_postgres(cls, url: SecretStr) -> SecretStr:
        parse(url.get_secret_value())
        return url

    @field_validator("modules", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("state")
    @classmethod
    def _absolute(cls, value: Path) -> Path:
        # Tools receive this path and run in other folders.
        return value.absolute()

    @field_validator("make_current")
    @classmethod
    def _has_a_build(cls, value: bool, info: ValidationInfo) -> bool:  # noqa: FBT001 - pydantic's
        if value and info.data.get("build_id") is None:
            raise ValueError("needs a build id to make current (--build-id)")
        return value

    @classmethod
    def read(cls, flags: Mapping[str, str | None]) -> Self:
        """Read the settings from flags, the environment and secret files.

        Raises:
            InvalidSettingError: Lists every wrong or missing setting and its source.
        """
        given = {key: value for key, value in flags.items() if value is not None}
        temporal = _temporal_given(given)
        variables = {_variable(key) for key in cls.model_fields}
        unknown = sorted(
            name
            for name in os.environ
            if name.startswith(PREFIX)
            and (name.partition(NESTED)[0] not in variables or name.startswith(_VIA_TEMPORAL))
        )
        if unknown:
            raise InvalidSettingError(f"{', '.join(unknown)} (environment): unknown setting")
        try:
            return cls(**_nested(given, temporal))  # type: ignore[arg-type]  # to be validated
        except ValidationError as error:
            raise InvalidSettingError(
                "; ".join(
                    f"{_where(fault['loc'], given, temporal)}: {fault['msg']}"
                    for fault in error.errors(include_url=False, include_input=False)
                )
            ) from error

    @override
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags before the environment; the environment includes secret files."""
        if isinstance(env_settings, EnvSettingsSource):
            env_settings.env_vars = _with_files(env_settings.env_vars)
        return init_settings, env_settings


def _with_files(variables: Mapping[str, str | None]) -> Mapping[str, str | None]:
    """Replace variables that name secret files by the contents of the files.

    Names are in lower case, as pydantic expects. Its own ``secrets_dir`` requires one folder
    with fixed file names.
    """
    given = dict(variables)
    for secret in _secrets():
        path = given.pop((secret + IN_FILE).lower(), None)
        if path:
            try:
                beside = given.get(secret.lower())
                given[secret.lower()] = secret_files.content(secret, path, beside=beside)
            except SecretFileError as error:
                raise InvalidSettingError(str(error)) from None
    return given


def _secrets() -> Iterator[str]:
    """The variables that hold secrets, including those of sections."""
    for key, setting in WorkerSettings.model_fields.items():
        if _is_secret(setting):
            yield _variable(key)
        elif isinstance(setting.default, Section | CodecSettings):
            for name, inner in type(setting.default).model_fields.items():
                if _is_secret(inner):
                    yield f"{_variable(key)}{NESTED}{name.upper()}"


def _is_secret(setting: FieldInfo) -> bool:
    return SecretStr in (setting.annotation, *_inside(setting.annotation))


def _inside(annotation: object) -> Iterator[object]:
    """Give the types in an annotation, at any depth."""
    for inner in get_args(annotation):
        yield inner
        yield from _inside(inner)


def _variable(key: str) -> str:
    if key in _SHARED:
        return _SHARED[key]
    plain = key.upper()
    return plain if plain.startswith(_UNPREFIXED) else PREFIX + plain


def _temporal_given(flags: Mapping[str, str]) -> dict[str, SettingValue]:
    """Return the settings of the connection to Temporal, by key, with their origins.

    From highest to lowest precedence: flags, ``TEMPORAL_…``, the profile of ``temporal.toml``.

    Raises:
        InvalidSettingError: A variable or the file is wrong.
    """
    of_flags = {
        key.removeprefix(_OF_TEMPORAL): SettingValue(value, f"--{key.replace('_', '-')} (flag)")
        for key, value in flags.items()
        if key.startswith(_OF_TEMPORAL)
    }
    try:
        variables = temporal_config.from_variables(os.environ)
        profile = temporal_config.profile_for({**variables, **of_flags})
    except (SecretFileError, ProfileError) as error:
        raise InvalidSettingError(str(error)) from None
    return temporal_config.merged([of_flags, variables, profile])


def _nested(
    flags: Mapping[str, str], temporal: Mapping[str, SettingValue]
) -> dict[str, object]:
    """Return the arguments of the settings' class."""
    connection: dict[str, object] = {}
    headers: dict[str, object] = {}
    for key, each in temporal.items():
        section, _, header = key.partition(".")
        if header:
            connection[section] = headers
            headers[header] = each.value
        else:
            connection[key] = each.value
    others = {key: value for key, value in flags.items() if not key.startswith(_OF_TEMPORAL)}
    return {**others, "temporal": connection}


def _where(
    location: tuple[int | str, ...],
    given: Mapping[str, str],
    temporal: Mapping[str, SettingValue],
) -> str:
    if not location:
        return "the connections"
    key, *inner = (str(part).lower() for part in location)
    if key == "temporal":
        name = ".".join(inner)
        return temporal[name].origin if name in temporal else "the connection to Temporal"
    if key in WorkerSettings.model_fields and isinstance(
        WorkerSettings.model_fields[key].default, Section | CodecSettings
    ):
        variable = NESTED.join((_variable(key), *(part.upper() for part in inner)))
        in_file = variable + IN_FILE
        return f"{in_file if in_file in os.environ else variable} (environment)"
    flag, variable = f"--{key.replace('_', '-')}", _variable(key)
    if key in given:
        return f"{flag} (flag)"
    for name in (variable, variable + IN_FILE):
        if name in os.environ:
            return f"{name} (environment)"
    return f"{flag} or {variable}"
