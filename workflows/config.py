"""The worker's settings: flags first, then the environment, then defaults.

A secret may be in a file: the variable with ``_FILE`` after its name has the path.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import (
    AliasChoices,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import NoDecode

from bridge.runtime import temporal_config
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
from bridge.runtime.payload_store import PayloadSettings
from bridge.runtime.temporal_config import SettingValue
from bridge.runtime.temporal_connection import TemporalConnection
from eventstore.dsn import parse, plaintext_hosts
from workflows.adapter_settings import CodeHostSettings, TofuSettings
from workflows.environment import (
    FromEnvironment,
    faults_in,
    origin_in_environment,
    unknown_variables,
)
from workflows.errors import InvalidSettingError
from workflows.platform.lineage import EVENTS_QUEUE
from workflows.settings import (
    OPENAI,
    NotifierSettings,
    OpenAISettings,
    QAgentSettings,
    QInfraSettings,
    QSecureSettings,
    QSRESettings,
    QTestSettings,
)

_OF_TEMPORAL = "temporal_"
"""Prefix of the flags of the connection to Temporal."""
_REDIS = ("redis", "rediss", "unix")


class ModelSettings(FromEnvironment):
    """The settings of language models, and which modules use them.

    A command can read them where the servers of a worker are not known.
    """

    modules: Annotated[tuple[str, ...], NoDecode] = ()
    """Modules to serve; empty: all."""
    redis_url: SecretStr | None = Field(
        default=None, validation_alias=AliasChoices("redis_url", "REDIS_URL")
    )
    """A Redis that the workers share: a cache of model answers, and limits; optional."""
    openai: OpenAISettings = OpenAISettings()
    qagent: QAgentSettings = QAgentSettings()
    qtest: QTestSettings = QTestSettings()

    @property
    def asks_model(self) -> bool:
        """Whether a module of this worker asks a language model."""
        return (self.qagent.gateway == OPENAI and self._serves("qagent")) or (
            self.qtest.generator == OPENAI and self._serves("qtest")
        )

    @property
    def asks_embeddings(self) -> bool:
        """Whether a module of this worker asks a model for vectors."""
        chosen = (self.qagent.patterns, self.qagent.embeddings)
        return chosen == ("postgres", OPENAI) and self._serves("qagent")

    def _serves(self, module: str) -> bool:
        return not self.modules or module in self.modules

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, url: SecretStr | None) -> SecretStr | None:
        if url is not None and urlsplit(url.get_secret_value()).scheme not in _REDIS:
            raise ValueError("must begin with redis://, rediss:// or unix://")
        return url

    @field_validator("modules", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @classmethod
    def from_environment(cls) -> Self:
        """Read the settings from the environment and secret files.

        Raises:
            InvalidSettingError: Lists every wrong setting and its source.
        """
        try:
            return cls()
        except ValidationError as error:
            raise InvalidSettingError(faults_in(error, cls)) from error


class WorkerSettings(ModelSettings):
    """The settings of a worker. Create them with ``WorkerSettings.read``."""

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
    payloads: PayloadSettings = PayloadSettings()
    """Where large payloads are stored instead of in Temporal; the same as the daemon's."""
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

    state: Path = Field(default=Path(".ntbridge/pipelines"), validate_default=True)
    """Folder of this worker; nothing in it matters to other workers."""
    artefacts: str | None = Field(default=None, min_length=1)
    """The object store that all workers share: a folder, ``s3://…``, ``gs://…`` or ``az://…``.
    Default: the folder ``artefacts`` in ``state``, for one machine."""

    codehost: CodeHostSettings = CodeHostSettings()
    notifier: NotifierSettings = NotifierSettings()
    qinfra: QInfraSettings = QInfraSettings()
    qsecure: QSecureSettings = QSecureSettings()
    qsre: QSRESettings = QSRESettings()
    tofu: TofuSettings = TofuSettings()

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

    @property
    def artefact_store(self) -> str:
        """The path or URL of the object store that all workers share."""
        return self.artefacts or str(self.state / "artefacts")

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
        if unknown := unknown_variables(cls):
            raise InvalidSettingError(f"{', '.join(unknown)} (environment): unknown setting")
        try:
            return cls(**_nested(given, temporal))  # type: ignore[arg-type]  # to be validated
        except ValidationError as error:
            raise InvalidSettingError(faults_in(error, cls, given, temporal)) from error


def origins(flags: Mapping[str, str | None]) -> dict[str, str]:
    """Return where the settings of a worker come from, by key; those with their defaults are left out.

    Raises:
        InvalidSettingError: A variable of Temporal, or its file, is wrong.
    """
    given = {key: value for key, value in flags.items() if value is not None}
    found = {f"temporal.{key}": each.origin for key, each in _temporal_given(given).items()}
    for key in WorkerSettings.model_fields:
        origin = (
            f"--{key.replace('_', '-')} (flag)" if key in given else origin_in_environment(key)
        )
        if origin is not None:
            found[key] = origin
    return found


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
