"""The worker's settings: flags first, then the environment, then defaults."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Self

from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from workflows.errors import InvalidSettingError
from workflows.settings.notifier import NotifierSettings
from workflows.settings.openai import OpenAISettings
from workflows.settings.part import Part
from workflows.settings.qagent import QAgentSettings
from workflows.settings.qinfra import QInfraSettings
from workflows.settings.qsecure import QSecureSettings
from workflows.settings.qsre import QSRESettings
from workflows.settings.qtest import QTestSettings

PREFIX = "NTBRIDGE_WORKER_"
NESTED = "__"


class WorkerSettings(BaseSettings):
    """What a worker must know. Build one with ``WorkerSettings.read``."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=NESTED,
        extra="forbid",
        frozen=True,
        populate_by_name=True,
    )

    modules: Annotated[tuple[str, ...], NoDecode] = ()
    """All of them when empty."""
    task_queue: str | None = Field(default=None, min_length=1)
    queue_prefix: str | None = Field(default=None, min_length=1)
    temporal_address: str = Field(
        default="127.0.0.1:7233",
        pattern=r"^\S+:\d{1,5}$",
        validation_alias=AliasChoices("temporal_address", "TEMPORAL_ADDRESS"),
    )
    temporal_namespace: str = Field(
        default="default",
        min_length=1,
        validation_alias=AliasChoices("temporal_namespace", "TEMPORAL_NAMESPACE"),
    )
    database_url: SecretStr = Field(
        validation_alias=AliasChoices("database_url", "DATABASE_URL")
    )

    state: Path = Path(".ntbridge/pipelines")
    """Where local adapters keep what they make: environments, releases, monitoring rules."""

    notifier: NotifierSettings = NotifierSettings()
    openai: OpenAISettings = OpenAISettings()
    qagent: QAgentSettings = QAgentSettings()
    qinfra: QInfraSettings = QInfraSettings()
    qsecure: QSecureSettings = QSecureSettings()
    qsre: QSRESettings = QSRESettings()
    qtest: QTestSettings = QTestSettings()

    @field_validator("modules", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @classmethod
    def read(cls, flags: Mapping[str, str | None]) -> Self:
        """Read the settings from the flags that were given, and the environment.

        Raises:
            InvalidSettingError: Names every wrong or missing setting, and where it came from.
        """
        given = {key: value for key, value in flags.items() if value is not None}
        variables = {_variable(key): key for key in cls.model_fields}
        unknown = sorted(
            name
            for name in os.environ
            if name.startswith(PREFIX) and name.partition(NESTED)[0] not in variables
        )
        if unknown:
            raise InvalidSettingError(
                f"{', '.join(unknown)} (environment): there is no such setting"
            )
        try:
            return cls(**given)  # type: ignore[arg-type]  # strings, to be validated
        except ValidationError as error:
            raise InvalidSettingError(
                "; ".join(
                    f"{_where(fault['loc'], given)}: {fault['msg']}"
                    for fault in error.errors(include_url=False, include_input=False)
                )
            ) from error


def _variable(key: str) -> str:
    plain = key.upper()
    return plain if plain.startswith(("TEMPORAL_", "DATABASE_")) else PREFIX + plain


def _where(location: tuple[int | str, ...], given: Mapping[str, str]) -> str:
    key, *inner = (str(part).lower() for part in location)
    if key in WorkerSettings.model_fields and isinstance(
        WorkerSettings.model_fields[key].default, Part
    ):
        return (
            f"{NESTED.join((_variable(key), *(part.upper() for part in inner)))} (environment)"
        )
    flag, variable = f"--{key.replace('_', '-')}", _variable(key)
    if key in given:
        return f"{flag} (flag)"
    if variable in os.environ:
        return f"{variable} (environment)"
    return f"{flag} or {variable}"
