"""Where settings of the worker come from: variables, files of secrets, flags; and how faults name them.

A secret may be in a file: the variable with ``_FILE`` after its name has the path.
"""

import os
from collections.abc import Iterator, Mapping
from typing import get_args

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

from bridge.runtime import secret_files
from bridge.runtime.codec.settings import CodecSettings
from bridge.runtime.errors import SecretFileError
from bridge.runtime.postgres_login import with_login
from bridge.runtime.secret_files import IN_FILE
from bridge.runtime.temporal_config import SettingValue
from workflows.errors import InvalidSettingError
from workflows.settings import Section

PREFIX = "NTBRIDGE_WORKER_"
NESTED = "__"
_SHARED = {"events_queue": "NTBRIDGE_EMIT__TASK_QUEUE", "insecure": "NTBRIDGE_INSECURE"}
"""Settings with a variable that the bridge reads too."""
_UNPREFIXED = ("DATABASE_", "REDIS_")
"""Variables with the usual names."""
_ALIASES = {"DATABASE_URL": "POSTGRES_URL", f"{PREFIX}TASK_QUEUE": "TASK_QUEUE"}
"""Other names of variables, which are read if the first is not set."""
_VIA_TEMPORAL = f"{PREFIX}TEMPORAL"
"""No prefix of variables: the connection to Temporal has the usual names, ``TEMPORAL_…``."""


class FromEnvironment(BaseSettings):
    """Base of the worker's settings."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter=NESTED,
        extra="forbid",
        frozen=True,
        populate_by_name=True,
    )

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
            named = _with_aliases(env_settings.env_vars)
            env_settings.env_vars = _with_files(settings_cls, named)
        return init_settings, env_settings


def variable_of(key: str) -> str:
    """Return the variable of a setting."""
    if key in _SHARED:
        return _SHARED[key]
    plain = key.upper()
    return plain if plain.startswith(_UNPREFIXED) else PREFIX + plain


def unknown_variables(settings: type[BaseSettings]) -> list[str]:
    """Return the variables with our prefix that are no settings."""
    known = {variable_of(key) for key in settings.model_fields}
    return sorted(
        name
        for name in os.environ
        if name.startswith(PREFIX)
        and (name.partition(NESTED)[0] not in known or name.startswith(_VIA_TEMPORAL))
    )


def faults_in(
    error: ValidationError,
    settings: type[BaseSettings],
    given: Mapping[str, str] | None = None,
    temporal: Mapping[str, SettingValue] | None = None,
) -> str:
    """Return the faults of settings, each with its source.

    Args:
        error: The faults.
        settings: What was read.
        given: The flags.
        temporal: The settings of the connection to Temporal, with their sources.
    """
    return "; ".join(
        f"{_where(fault['loc'], settings.model_fields, given or {}, temporal or {})}: {fault['msg']}"
        for fault in error.errors(include_url=False, include_input=False)
    )


def _where(
    location: tuple[int | str, ...],
    fields: Mapping[str, FieldInfo],
    given: Mapping[str, str],
    temporal: Mapping[str, SettingValue],
) -> str:
    if not location:
        return "the connections"
    key, *inner = (str(part).lower() for part in location)
    if key == "temporal":
        name = ".".join(inner)
        return temporal[name].origin if name in temporal else "the connection to Temporal"
    if key in fields and isinstance(fields[key].default, Section | CodecSettings):
        variable = NESTED.join((variable_of(key), *(part.upper() for part in inner)))
        in_file = variable + IN_FILE
        return f"{in_file if in_file in os.environ else variable} (environment)"
    flag, variable = f"--{key.replace('_', '-')}", variable_of(key)
    if key in given:
        return f"{flag} (flag)"
    return origin_in_environment(key) or f"{flag} or {variable}"


def origin_in_environment(key: str) -> str | None:
    """Return the variable that sets a setting; None if none does."""
    variable = variable_of(key)
    for name in (variable, *([_ALIASES[variable]] if variable in _ALIASES else [])):
        for each in (name, name + IN_FILE):
            if os.environ.get(each):
                return f"{each} (environment)"
    return None


def _with_aliases(variables: Mapping[str, str | None]) -> Mapping[str, str | None]:
    """Add variables that are set by another name; all names are in lower case."""
    given = dict(variables)
    for variable, alias in _ALIASES.items():
        forms = [(f"{variable}{end}".lower(), f"{alias}{end}".lower()) for end in ("", IN_FILE)]
        if any(given.get(name) for name, _ in forms):
            continue
        given.update({name: given[other] for name, other in forms if given.get(other)})
    return given


def _with_files(
    settings: type[BaseSettings], variables: Mapping[str, str | None]
) -> Mapping[str, str | None]:
    """Replace variables that name secret files by the contents of the files.

    Names are in lower case, as pydantic expects. Its own ``secrets_dir`` requires one folder
    with fixed file names.
    """
    given = dict(variables)
    for secret in _secrets(settings):
        path = given.pop((secret + IN_FILE).lower(), None)
        if path:
            try:
                beside = given.get(secret.lower())
                given[secret.lower()] = secret_files.content(secret, path, beside=beside)
            except SecretFileError as error:
                raise InvalidSettingError(str(error)) from None
    if url := given.get("database_url"):
        try:
            given["database_url"], _ = with_login(url, os.environ)
        except SecretFileError as error:
            raise InvalidSettingError(str(error)) from None
    return given


def _secrets(settings: type[BaseModel]) -> Iterator[str]:
    """The variables that hold secrets, including those of sections."""
    for key, setting in settings.model_fields.items():
        if _is_secret(setting):
            yield variable_of(key)
        elif isinstance(setting.default, Section | CodecSettings):
            for name, inner in type(setting.default).model_fields.items():
                if _is_secret(inner):
                    yield f"{variable_of(key)}{NESTED}{name.upper()}"


def _is_secret(setting: FieldInfo) -> bool:
    return SecretStr in (setting.annotation, *get_args(setting.annotation))
